import type { ApprovalRequest } from '@trustgw/protocol'
import { canonicalize, hashText, type JsonObject } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { type Answer, ask, type SignedIn, text, type World } from './world.ts'

/** The same request with other arguments, hashed as the gateway would. */
export function withArguments(request: ApprovalRequest, input: JsonObject): ApprovalRequest {
  const args = canonicalize(input)
  const decision = { ...request.decision, input_hash: hashText(sha256, args) }
  return { ...request, arguments: args, decision }
}

export async function askFor(world: World, request: ApprovalRequest): Promise<ApprovalRequest> {
  const answer = await ask(world, request)
  if (answer['status'] !== 'stored') throw new Error(JSON.stringify(answer))
  return request
}

export async function codeFor(world: World, who: SignedIn, channel: string): Promise<string> {
  const body = { channel }
  const made = await world.call('POST', '/api/channels/link', { cookies: who.cookies, body })
  return text(made.json, 'code')
}

export async function unlink(world: World, who: SignedIn, channel: string): Promise<Answer> {
  const path = `/api/channels/${channel}`
  return await world.call('DELETE', path, { cookies: who.cookies, body: {} })
}
