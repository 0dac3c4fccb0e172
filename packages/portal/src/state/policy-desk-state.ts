import type { Replay } from '@trustgw/core'
import type { PolicyText } from '../logic/policy-draft.ts'
import type { LayerDiff, PlacedCheck, PlacedFinding, Tried } from '../logic/policy-judge.ts'
import type { SealableBundle } from '../logic/policy-seal.ts'
import type { TakeUp } from '../logic/policy-status.ts'
import type { RecordedProposal } from '../logic/recorded.ts'
import type { PolicyAnswer } from '../ports/shapes.ts'

/** What is known of the draft; a part that is missing is still being worked on. */
export interface Judged {
  /** Anything here: the draft does not load. */
  readonly findings: readonly PlacedFinding[] | undefined
  readonly replay: Replay | undefined
  readonly layers: { readonly list: readonly LayerDiff[]; readonly isWhole: boolean } | undefined
  readonly checks: { readonly list: readonly PlacedCheck[]; readonly isWhole: boolean } | undefined
  readonly outcome: 'working' | 'whole' | 'failed'
}

export const UNJUDGED: Judged = {
  findings: undefined,
  replay: undefined,
  layers: undefined,
  checks: undefined,
  outcome: 'working',
}

/** The way of a draft into force. */
export type Applying =
  | { readonly kind: 'idle' }
  | { readonly kind: 'preparing' }
  | { readonly kind: 'ready'; readonly sealable: SealableBundle; readonly ceremony: Ceremony }
  | { readonly kind: 'passkey'; readonly sealable: SealableBundle }
  | { readonly kind: 'sending'; readonly sealable: SealableBundle }
  /** `isOver`: waited long enough; what has not taken it up is told. */
  | {
      readonly kind: 'taking_up'
      readonly epoch: number
      readonly takeUp: readonly TakeUp[]
      readonly isOver: boolean
    }
  | { readonly kind: 'failed'; readonly sentence: string }

export interface Ceremony {
  readonly rp_id: string
  readonly credential_ids: readonly string[]
}

export interface PolicyDeskState {
  readonly phase: 'loading' | 'failed' | 'ready'
  readonly problem: string | undefined
  readonly answer: PolicyAnswer | undefined
  /** As they are in force, in one place of memory while they stay the same. */
  readonly base: readonly PolicyText[]
  readonly draft: readonly PolicyText[]
  /** Another bundle came while a draft was being written on the one before. */
  readonly isStale: boolean
  readonly recorded: {
    readonly kind: 'loading' | 'ready' | 'hidden' | 'failed'
    readonly actions: readonly RecordedProposal[]
    readonly truncated: boolean
  }
  readonly judged: Judged
  readonly tried: Tried | null | 'failed' | 'working' | undefined
  readonly applying: Applying
}

export const INITIAL_DESK: PolicyDeskState = {
  phase: 'loading',
  problem: undefined,
  answer: undefined,
  base: [],
  draft: [],
  isStale: false,
  recorded: { kind: 'loading', actions: [], truncated: false },
  judged: UNJUDGED,
  tried: undefined,
  applying: { kind: 'idle' },
}
