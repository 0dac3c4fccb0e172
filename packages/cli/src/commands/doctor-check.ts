export type Grade = 'ok' | 'note' | 'warn' | 'fail'

/** One line of `doctor`. */
export interface Check {
  readonly name: string
  readonly grade: Grade
  readonly detail: string
  readonly remedy?: string
}
