/** What the judge found, as sentences. Names from policies and tools are marked by the caller. */
import type { CheckFinding, Doubt, PolicyDiff, Region } from '@trustgw/core'
import type { Effect, Json, Tier } from '@trustgw/protocol'
import type { PolicyText } from './policy-draft.ts'

/** `needs a passkey`: what becomes of a proposal. */
export function verdictWords({
  effect,
  tier,
}: {
  readonly effect: Effect
  readonly tier: Tier
}): string {
  if (effect === 'allow') return 'runs at once'
  if (effect === 'deny') return 'is denied'
  if (effect === 'require_proof') return 'needs a proof'
  return tier === 1 ? 'needs a click' : 'needs a passkey'
}

type Sides = Pick<Region, 'before' | 'after'>

/** What becomes of it then; a change of approvers alone says so. */
export function afterWords({ before, after }: Sides): string {
  const [was, is] = [verdictWords(before), verdictWords(after)]
  return was === is ? `${is} of other people` : is
}

/** `what needs a passkey then needs a click` */
export function changeWords(sides: Sides): string {
  return `what ${verdictWords(sides.before)} then ${afterWords(sides)}`
}

/** Facts of an example in the order in which a person asks: what, how much, who, when. */
export function exampleRows(
  example: Readonly<Record<string, Json>>,
): readonly (readonly [string, string])[] {
  return Object.entries(example).map(([name, value]) => [
    name.startsWith('args:') ? name.slice('args:'.length) : name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ])
}

/** `for example tool shop.refund, amount 100.01 EUR` */
export function exampleWords(example: Readonly<Record<string, Json>>): string {
  return `for example ${exampleRows(example)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')}`
}

export function lineWords({ line, truth }: Region['lines'][number]): string {
  if (truth === true) return line
  return truth === false ? `not ${line}` : `unknown whether ${line}`
}

const VERDICTS: Readonly<Record<PolicyDiff['verdict'], string>> = {
  same: 'Decides everything as before',
  narrower: 'Only restricts further',
  widens: 'Allows more than before',
  may_widen: 'May allow more than before',
}

export function diffWords(verdict: PolicyDiff['verdict']): string {
  return VERDICTS[verdict]
}

export function doubtWords({ why }: Doubt): string {
  return why === '' ? 'no example could be made' : why
}

export interface CheckWords {
  readonly tone: 'warn' | 'plain'
  /** Parts in turn: plain words, then a name from outside, and so on. */
  readonly parts: readonly string[]
}

const quotedList = (names: readonly string[]): string => names.join(', ')

/** The words of a finding, in which every second part is a name that comes from a file or a tool. */
export function checkWords(finding: CheckFinding): CheckWords {
  switch (finding.kind) {
    case 'shadowed':
      return {
        tone: 'warn',
        parts: [
          'Rule ',
          finding.rule,
          ' never decides: what it is for is decided before it by ',
          quotedList(finding.by),
        ],
      }
    case 'conflict':
      return {
        tone: 'warn',
        parts: [
          'Rules ',
          finding.rule,
          ' and ',
          finding.other,
          ' overlap at one priority with different effects; the stricter stands',
        ],
      }
    case 'uncovered_tool':
      return {
        tone: 'plain',
        parts: ['No rule covers the tool ', finding.tool, ': the default decides'],
      }
    case 'asserted_only':
      return {
        tone: 'plain',
        parts: [
          'Rule ',
          finding.rule,
          ' holds or not by the gateway’s word alone: ',
          quotedList(finding.facts),
        ],
      }
    case 'unanchored_regex':
      return {
        tone: 'warn',
        parts: [
          'Rule ',
          finding.rule,
          ' allows by a pattern that may be found in the middle of anything: ',
          finding.pattern,
        ],
      }
    case 'confusable_tool':
      return {
        tone: 'warn',
        parts: [
          finding.rule === null ? 'A registered tool' : 'Rule ',
          finding.rule ?? '',
          ' has a tool id in letters that may look like others: ',
          finding.glob,
        ],
      }
    case 'not_checked':
      return {
        tone: 'plain',
        parts: ['Rule ', finding.rule, ` was not checked for being ${QUESTIONS[finding.question]}`],
      }
  }
}

const QUESTIONS = { shadowed: 'shadowed', conflict: 'in conflict' } as const

const LAYER_NAMES: Readonly<Record<PolicyText['layer'], string>> = {
  platform: 'Platform',
  tenant: 'Tenant',
  workspace: 'Workspace',
  agent: 'Agent',
}

export function layerWords(layer: PolicyText['layer']): string {
  return LAYER_NAMES[layer]
}

/** `sealed_by` of the host; a name of a person stands apart. */
export function sealWords(sealedBy: string): { readonly text: string; readonly person: string } {
  if (sealedBy === 'operator') return { text: 'sealed with the operator’s key', person: '' }
  if (sealedBy === 'delegate') return { text: 'sealed with a key of the operator’s', person: '' }
  if (sealedBy.startsWith('passkey:')) {
    return { text: 'sealed with the passkey of ', person: sealedBy.slice('passkey:'.length) }
  }
  return { text: 'sealed by nobody known here', person: '' }
}

export function isVerified(sealedBy: string): boolean {
  return !sealedBy.startsWith('unverified:')
}
