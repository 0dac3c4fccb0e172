import { readFileSync } from 'node:fs'
import { compilePolicy, decide, type PolicyFacts, parsePolicy } from '@trustgw/core'
import {
  type AmountRule,
  bundleText,
  type Hash,
  type JsonObject,
  type Operation,
  type PolicyBundle,
} from '@trustgw/protocol'
import { deflateText } from '@trustgw/runtime'
import {
  idOf,
  REFUND,
  requestOf,
  sha256,
  TENANT,
  type ToolFixture,
} from '@trustgw/testkit/approval-requests'

/** The policy of the quick start, which is also what the story's proposals were decided by. */
export const QUICK_START: string = readFileSync(
  new URL('../../../../../examples/policies/quick-start.toml', import.meta.url),
  'utf8',
)

export interface PolicyFile {
  readonly layer: 'platform' | 'tenant' | 'workspace' | 'agent'
  readonly scope: string | null
  readonly file: string
  readonly text: string
}

export const PLATFORM: PolicyFile = {
  layer: 'platform',
  scope: null,
  file: 'policy.toml',
  text: QUICK_START,
}

const tools: readonly (ToolFixture & { readonly tags?: readonly string[] })[] = [
  REFUND,
  { id: 'shop.get_order', title: 'Look up an order', operation: 'read' },
  { id: 'shop.update_customer', title: 'Change a customer', operation: 'update' },
  { id: 'files.read_text_file', title: 'Read a text file', operation: 'read' },
  { id: 'files.write_file', title: 'Write a file', operation: 'update' },
  { id: 'memory.delete_entities', title: 'Forget entities', operation: 'delete' },
]

export interface ToolOfPolicy {
  readonly id: string
  readonly title: string
  readonly operation: Operation
  readonly category: null
  readonly tags: readonly string[]
  readonly bundle: string
  readonly amount: AmountRule
}

export const storyTools: readonly ToolOfPolicy[] = tools.map(
  ({ id, title, operation, amount }) => ({
    id,
    title,
    operation,
    category: null,
    tags: [],
    bundle: id.split('.')[0] ?? '',
    amount: amount ?? { kind: 'none' },
  }),
)

/** A bundle as the host makes it of texts. */
export function bundleOf(
  policies: readonly PolicyFile[],
  epoch: number,
  issuedAt: number,
): { readonly text: string; readonly bundle_hash: Hash } {
  const bundle: PolicyBundle = {
    v: 1,
    tenant: TENANT,
    epoch,
    issued_at: issuedAt,
    policies: policies.map(({ text, ...rest }) => ({ ...rest, deflated: deflateText(text) })),
  }
  return bundleText(sha256, bundle)
}

function toolNamed(id: string): ToolOfPolicy {
  const found = storyTools.find((tool) => tool.id === id)
  if (found === undefined) throw new TypeError(id)
  return found
}

function compiled(): ReturnType<typeof compilePolicy> {
  const parsed = parsePolicy(QUICK_START, { file: 'policy.toml' })
  if (!parsed.ok) throw new TypeError('the quick start loads')
  return compilePolicy(parsed.value, sha256)
}

const policy = compiled()

interface Proposed {
  readonly tool: string
  readonly args: JsonObject
  readonly minutes: number
  readonly agent?: string
  readonly amount?: string
  /** Its contract is not known any more. */
  readonly changed?: boolean
}

/** What the host lists of one action of the past, decided by the policy of the quick start. */
export function recordedOf(proposed: Proposed, number: number, now: number): object {
  const { id, ...facts } = toolNamed(proposed.tool)
  const at = now - proposed.minutes * 60_000
  const agent = proposed.agent ?? 'support-agent'
  const known: PolicyFacts = {
    tool: { id, ...facts },
    args: proposed.args,
    tenant: TENANT,
    workspace: 'default',
    agent,
    user: null,
    source: 'mcp',
    auth_level: 1,
    roles: null,
    time_ms: at,
  }
  const { decision } = requestOf({
    number,
    tool: { id, title: '', operation: facts.operation },
    input: proposed.args,
    now: at,
    agent,
  })
  const { title: _, ...tool } = toolNamed(proposed.tool)
  return {
    action_id: idOf(number),
    at,
    source: 'mcp',
    auth_level: 1,
    amount: proposed.amount ?? null,
    arguments: proposed.args,
    decision: { ...decision, workspace: 'default', decided_at: at, ...decide(policy, known) },
    tool: proposed.changed === true ? null : tool,
  }
}

const refund = (amount: string, minutes: number): Proposed => ({
  tool: REFUND.id,
  args: { order_id: `ord_${amount.replace('.', '')}`, amount, currency: 'EUR' },
  amount: `${amount} EUR`,
  minutes,
})

/** A few days of proposals, the newest first; a longer list goes round. */
export function storyRecorded(now: number, count = 10): readonly object[] {
  const proposed: readonly Proposed[] = [
    refund('180.00', 12),
    { tool: 'shop.get_order', args: { order_id: 'ord_20418' }, minutes: 31 },
    refund('42.00', 64),
    { tool: 'files.write_file', args: { path: '/a.md' }, minutes: 95, agent: 'docs-agent' },
    refund('249.99', 180),
    refund('900.00', 260),
    { tool: 'files.read_text_file', args: { path: '/a.md' }, minutes: 420, agent: 'docs-agent' },
    { ...refund('120.00', 1_500), changed: true },
    {
      tool: 'memory.delete_entities',
      args: { names: ['x'] },
      minutes: 2_900,
      agent: 'research-agent',
    },
    refund('99.99', 3_100),
  ]
  return Array.from({ length: count }, (_, index) => {
    const one = proposed[index % proposed.length] ?? refund('1.00', 1)
    return recordedOf({ ...one, minutes: one.minutes + index }, 60 + index, now)
  })
}
