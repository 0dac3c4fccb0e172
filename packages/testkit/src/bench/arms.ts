import { asObject, parseJsonObject } from '@trustgw/protocol'
import type { RunningSystem } from '../system.ts'
import type { Floor } from './floor.ts'
import { HttpCaller } from './http-caller.ts'
import { type Call, checkContent, legacySession, modernCall, wrong } from './mcp-calls.ts'
import type { Peer } from './peer.ts'

export type ArmId =
  | 'governed-rest'
  | 'governed-mcp-2026'
  | 'governed-mcp-2025'
  | 'bare-mcp-2026'
  | 'bare-mcp-2025'
  | 'floor'

/** One way to the same tool of the same kind of server. */
export interface Arm {
  readonly id: ArmId
  readonly title: string
  /** One call function for each client; sessions are opened here and not measured. */
  readonly clients: readonly Call[]
  close(): void
}

export interface ArmParts {
  readonly system: RunningSystem
  readonly peer: Peer
  readonly floor: Floor
  /** As the gateway knows it, and as the server itself does. */
  readonly governed_tool: string
  readonly bare_tool: string
  readonly bundle: string
  readonly expect: string
}

/** Every arm with so many clients; each client is one keep-alive connection. */
export async function openArms(parts: ArmParts, clients: number): Promise<readonly Arm[]> {
  const { system, peer, floor, expect } = parts
  const key = { authorization: `Bearer ${system.apiKey ?? ''}` }
  const gateway = new HttpCaller(system.gateway, clients)
  const governed = {
    http: gateway,
    path: `/v1/mcp/c/${parts.bundle}`,
    tool: parts.governed_tool,
    headers: key,
    expect,
  }
  const proxy = new HttpCaller(peer.url, clients)
  const bare = { http: proxy, path: peer.path, tool: parts.bare_tool, headers: {}, expect }
  const front = new HttpCaller(floor.url, clients)
  const each = (make: () => Call): readonly Call[] => Array.from({ length: clients }, make)
  const sessions = async (target: typeof governed | typeof bare): Promise<readonly Call[]> => {
    const opened: Call[] = []
    for (let client = 0; client < clients; client += 1) opened.push(await legacySession(target))
    return opened
  }
  const closeGateway = (): void => gateway.close()
  const closeProxy = (): void => proxy.close()
  return [
    arm(
      'governed-rest',
      each(() => restCall(gateway, parts, key)),
      closeGateway,
    ),
    arm(
      'governed-mcp-2026',
      each(() => modernCall(governed)),
      closeGateway,
    ),
    arm('governed-mcp-2025', await sessions(governed), closeGateway),
    arm(
      'bare-mcp-2026',
      each(() => modernCall(bare)),
      closeProxy,
    ),
    arm('bare-mcp-2025', await sessions(bare), closeProxy),
    arm(
      'floor',
      each(() => floorCall(front, expect)),
      () => front.close(),
    ),
  ]
}

const TITLES: Readonly<Record<ArmId, string>> = {
  'governed-rest': 'governed, REST',
  'governed-mcp-2026': 'governed, MCP 2026-07-28',
  'governed-mcp-2025': 'governed, MCP 2025-11-25 session',
  'bare-mcp-2026': 'bare, mcp-proxy 2026-07-28',
  'bare-mcp-2025': 'bare, mcp-proxy 2025-11-25 session',
  floor: 'floor of its parts',
}

function arm(id: ArmId, clients: readonly Call[], close: () => void): Arm {
  return { id, title: TITLES[id], clients, close }
}

function restCall(
  http: HttpCaller,
  parts: ArmParts,
  headers: Readonly<Record<string, string>>,
): Call {
  const body = JSON.stringify({ tool: parts.governed_tool, arguments: {} })
  return async () => {
    const answer = await http.post('/v1/actions/propose', body, headers)
    const parsed = parseJsonObject(answer.text)
    const result = parsed.ok ? asObject(parsed.value['result'] ?? null) : undefined
    const done = parsed.ok && parsed.value['status'] === 'succeeded'
    if (answer.status !== 200 || !done || result === undefined) throw wrong(answer)
    checkContent(result, parts.expect, answer)
  }
}

export function floorCall(http: HttpCaller, expect: string): Call {
  const body = JSON.stringify({ tool: 'floor', arguments: {} })
  return async () => {
    const answer = await http.post('/', body, {})
    const parsed = parseJsonObject(answer.text)
    if (answer.status !== 200 || !parsed.ok) throw wrong(answer)
    checkContent(parsed.value, expect, answer)
  }
}
