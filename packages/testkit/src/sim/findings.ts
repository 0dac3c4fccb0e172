/** What holds in every world. */
export const INVARIANTS = [
  'one effect at most',
  'no effect without its grant',
  'no effect without its people',
  'no effect outside policy',
  'nothing frozen starts',
  'nothing runs on what changed',
  'everything accepted comes to rest',
  'what is stored is what happened',
  'everything is on record',
  'no secret leaves',
  'nothing fails unseen',
] as const

export type Invariant = (typeof INVARIANTS)[number]

export interface Finding {
  readonly invariant: Invariant
  readonly detail: string
}
