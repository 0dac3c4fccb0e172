import type { PolicyText } from '../logic/policy-draft.ts'
import type { JudgeContext, JudgeStep, Tried, TriedProposal } from '../logic/policy-judge.ts'

/** What the page asks of the worker; a later draft takes the place of an earlier one. */
export type ToWorker =
  | { readonly kind: 'context'; readonly context: JudgeContext }
  | { readonly kind: 'judge'; readonly number: number; readonly policies: readonly PolicyText[] }
  | {
      readonly kind: 'try'
      readonly number: number
      readonly policies: readonly PolicyText[]
      readonly proposal: TriedProposal
    }

export type FromWorker =
  | { readonly kind: 'step'; readonly number: number; readonly step: JudgeStep }
  /** Nothing follows for this draft. */
  | { readonly kind: 'done'; readonly number: number }
  | { readonly kind: 'tried'; readonly number: number; readonly tried: Tried | null }
  | { readonly kind: 'failed'; readonly number: number; readonly of: 'judge' | 'try' }
