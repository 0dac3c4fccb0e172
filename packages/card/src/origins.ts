import type { ApprovalRequest } from '@trustgw/protocol'

/** Where a value came from, in words, as the gateway says it; undefined where it says nothing. */
export function originWords(request: ApprovalRequest, pointer: string): string | undefined {
  const found = request.origins?.find((one) => one.pointer === pointer)
  if (found === undefined || found.origins.length === 0) return undefined
  return found.origins.map(oneOrigin).join('; ')
}

function oneOrigin(origin: string): string {
  if (origin === 'agent') return 'the agent’s own'
  if (origin === 'user') return 'given by the user'
  if (origin === 'first_seen') return 'no call with it has ended well yet'
  const [, tool] = /^tool_result:(.+)$/.exec(origin) ?? []
  return tool === undefined ? origin : `stood in what ${tool} gave`
}

/** The calls before this one, in words. */
export function chainWords({ chain }: ApprovalRequest): string {
  if (chain === undefined) return 'No earlier call of this agent is known to the gateway'
  if (chain.depth === 0) return 'The first call of this chain'
  const count = chain.depth === 1 ? '1 call' : `${chain.depth} calls`
  return chain.complete ? `After ${count}` : `After at least ${count}`
}
