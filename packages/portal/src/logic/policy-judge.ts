/**
 * What is said of a draft: does it load, what is odd in it, what does it change, what would have
 * become of the proposals of the past. Uses the decision core itself, so that the page and those who
 * decide cannot differ. Runs in a worker (`src/worker`), in steps.
 */
import {
  type CheckFinding,
  type CompiledPolicy,
  checkPolicy,
  compilePolicy,
  diffPolicies,
  type Explanation,
  explain,
  type Finding,
  type LocalTime,
  openBundle,
  type PolicyDecision,
  type PolicyDiff,
  type PolicyFacts,
  type PolicySet,
  parsePolicy,
  pastFacts,
  type Region,
  type Replay,
  replay,
  type ScopedPolicy,
  type ToolFacts,
  zonesOf,
} from '@trustgw/core'
import { type Hash, hashText, type Json, type Sha256, type TenantId } from '@trustgw/protocol'
import { lineOfRule, type PolicyText, policyKey } from './policy-draft.ts'
import { pastOf, type RecordedProposal } from './recorded.ts'

export interface JudgeDeps {
  readonly sha256: Sha256
  /** The time of a moment in each zone; zones that are not known are left out. */
  readonly localTimes: (zones: readonly string[], at: number) => ReadonlyMap<string, LocalTime>
}

/** What a draft is compared with. */
export interface JudgeContext {
  readonly tenant: TenantId
  readonly development: boolean
  readonly inForce: readonly PolicyText[]
  readonly tools: readonly ToolFacts[]
  readonly recorded: readonly RecordedProposal[]
}

/** A finding at its place; `key` is that of the policy, empty for the draft as a whole. */
export interface PlacedFinding {
  readonly key: string
  readonly finding: Finding
}

export interface PlacedCheck {
  readonly key: string
  /** 1-based line of the rule; null where no rule is named. */
  readonly line: number | null
  readonly finding: CheckFinding
}

/** What changed in one policy. */
export interface LayerDiff {
  readonly key: string
  readonly diff: PolicyDiff
  /** Where the draft is more restrictive. */
  readonly stricter: readonly Region[]
}

export type JudgeStep =
  /** Anything here refuses the draft, and nothing else follows. */
  | { readonly kind: 'opened'; readonly findings: readonly PlacedFinding[] }
  | { readonly kind: 'replayed'; readonly replay: Replay }
  | { readonly kind: 'compared'; readonly layers: readonly LayerDiff[]; readonly isWhole: boolean }
  | {
      readonly kind: 'checked'
      readonly findings: readonly PlacedCheck[]
      readonly isWhole: boolean
    }

type Opened =
  | { readonly ok: true; readonly value: PolicySet }
  | { readonly ok: false; readonly findings: readonly PlacedFinding[] }

/** A bundle is opened as a gateway does it; the policies' texts need no packing here. */
export function openDraft(
  policies: readonly PolicyText[],
  { tenant, development }: JudgeContext,
  { sha256 }: JudgeDeps,
): Opened {
  const keys = policies.map(policyKey)
  const bundle = {
    v: 1 as const,
    tenant,
    epoch: 1,
    issued_at: 0,
    policies: policies.map(({ layer, scope }, index) => ({
      layer,
      scope,
      file: String(index),
      deflated: String(index),
    })),
  }
  const bundle_hash: Hash = hashText(sha256, '')
  const inflate = (index: string): string | undefined => policies[Number(index)]?.text
  const opened = openBundle({ bundle, bundle_hash }, { sha256, inflate, development })
  if (opened.ok) return opened
  const findings = opened.findings.map((finding) => {
    const key = keys[Number(finding.file)] ?? ''
    return { key, finding: { ...finding, file: policies[Number(finding.file)]?.file ?? '' } }
  })
  return { ok: false, findings }
}

/** Opened once for all drafts that are compared with it. */
const inForceOf = new WeakMap<JudgeContext, Opened>()

function openInForce(context: JudgeContext, deps: JudgeDeps): PolicySet | undefined {
  const opened = inForceOf.get(context) ?? openDraft(context.inForce, context, deps)
  inForceOf.set(context, opened)
  return opened.ok ? opened.value : undefined
}

const keyOf = ({ compiled, scope }: ScopedPolicy): string =>
  policyKey({ layer: compiled.layer, scope })

/** A policy that says nothing, for one that is new or gone. */
function emptyLike({ layer }: CompiledPolicy, sha256: Sha256): CompiledPolicy {
  const parsed = parsePolicy('version = 1\n', { file: '', layer })
  if (!parsed.ok) throw new TypeError('the empty policy loads')
  return compilePolicy(parsed.value, sha256, { layer })
}

function byKey(set: PolicySet | undefined): ReadonlyMap<string, CompiledPolicy> {
  return new Map((set?.policies ?? []).map((policy) => [keyOf(policy), policy.compiled]))
}

interface Pair {
  readonly key: string
  readonly old: CompiledPolicy
  readonly next: CompiledPolicy
}

/** Policies that differ, of which one may be new or gone. */
function differing(
  before: PolicySet | undefined,
  after: PolicySet,
  { sha256 }: JudgeDeps,
): readonly Pair[] {
  const [was, is] = [byKey(before), byKey(after)]
  return [...new Set([...was.keys(), ...is.keys()])].flatMap((key) => {
    const some = was.get(key) ?? is.get(key)
    if (some === undefined) return []
    const empty = emptyLike(some, sha256)
    const [old, next] = [was.get(key) ?? empty, is.get(key) ?? empty]
    return old.fingerprint === next.fingerprint ? [] : [{ key, old, next }]
  })
}

/** A region of the way back, told as of the way there. */
const turned = (region: Region): Region => ({
  ...region,
  before: region.after,
  after: region.before,
})

function* compare(pairs: readonly Pair[]): Generator<JudgeStep> {
  const layers: LayerDiff[] = []
  for (const { key, old, next } of pairs) {
    const diff = diffPolicies(old, next)
    yield {
      kind: 'compared',
      layers: [...layers, { key, diff, stricter: [] }],
      isWhole: false,
    }
    layers.push({ key, diff, stricter: diffPolicies(next, old).widens.map(turned) })
  }
  yield { kind: 'compared', layers, isWhole: true }
}

function* check(set: PolicySet, tools: readonly ToolFacts[]): Generator<JudgeStep> {
  const findings: PlacedCheck[] = []
  for (const policy of set.policies) {
    const key = keyOf(policy)
    // Only the platform has to say something of every tool.
    const asked = policy.compiled.layer === 'platform' ? tools : []
    for (const finding of checkPolicy(policy.compiled, asked)) {
      const rule = 'rule' in finding ? finding.rule : null
      const line = rule === null ? null : lineOfRule(policy.text, rule)
      findings.push({ key, line, finding })
    }
    yield { kind: 'checked', findings: [...findings], isWhole: false }
  }
  yield { kind: 'checked', findings, isWhole: true }
}

/** Each recorded proposal under the layers of its own workspace and agent. */
export function replayAll(
  set: PolicySet,
  recorded: readonly RecordedProposal[],
  { localTimes }: JudgeDeps,
): Replay {
  const all: Replay[] = recorded.map((one) => {
    const { workspace, principal, decided_at } = one.decision
    const layers = set.layersFor({ workspace, agent: principal.subject })
    return replay(layers, [pastOf(one, localTimes(zonesOf(layers), decided_at))])
  })
  return {
    decided: all.reduce((sum, { decided }) => sum + decided, 0),
    flips: all.flatMap(({ flips }) => flips),
    uncertain: all.flatMap(({ uncertain }) => uncertain),
    undecidable: all.flatMap(({ undecidable }) => undecidable),
  }
}

/** Everything about a draft, what takes longest last. A reader may stop after any step. */
export function* judgeDraft(
  policies: readonly PolicyText[],
  context: JudgeContext,
  deps: JudgeDeps,
): Generator<JudgeStep> {
  const opened = openDraft(policies, context, deps)
  if (!opened.ok) {
    yield { kind: 'opened', findings: opened.findings }
    return
  }
  yield { kind: 'opened', findings: [] }
  yield { kind: 'replayed', replay: replayAll(opened.value, context.recorded, deps) }
  yield* compare(differing(openInForce(context, deps), opened.value, deps))
  yield* check(opened.value, context.tools)
}

/** A proposal as somebody types it, or as it was recorded. */
export interface TriedProposal {
  readonly tool: ToolFacts
  readonly args: Json
  readonly workspace: string
  readonly agent: string
  readonly user: string | null
  readonly source: PolicyFacts['source']
  readonly auth_level: number
  readonly at: number
  /** The rest of the facts come from its record. */
  readonly recorded: RecordedProposal | null
}

export interface Tried {
  readonly explanation: Explanation
  /** What the policy in force says; null where none is. */
  readonly inForce: PolicyDecision | null
}

function factsOf(
  tried: TriedProposal,
  tenant: TenantId,
  localTimes: ReadonlyMap<string, LocalTime>,
): PolicyFacts {
  const { tool, args, workspace, agent, user, source, auth_level, at } = tried
  const who = { tenant, workspace, agent, user, source, auth_level }
  const own = { tool, args, ...who, time_ms: at, local_times: localTimes }
  if (tried.recorded === null) return { ...own, roles: null }
  const { recorded: _, ...rest } = pastFacts(pastOf(tried.recorded, localTimes))
  return { ...rest, ...own }
}

/** Decides one proposal by the draft, line by line; null where the draft does not load. */
export function tryProposal(
  policies: readonly PolicyText[],
  tried: TriedProposal,
  context: JudgeContext,
  deps: JudgeDeps,
): Tried | null {
  const draft = openDraft(policies, context, deps)
  if (!draft.ok) return null
  const scope = { workspace: tried.workspace, agent: tried.agent }
  const explainBy = (set: PolicySet): Explanation => {
    const layers = set.layersFor(scope)
    const times = deps.localTimes(zonesOf(layers), tried.at)
    return explain(layers, factsOf(tried, context.tenant, times))
  }
  const inForce = openInForce(context, deps)
  return {
    explanation: explainBy(draft.value),
    inForce: inForce === undefined ? null : explainBy(inForce).decision,
  }
}
