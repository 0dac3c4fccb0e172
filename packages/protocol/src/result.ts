/** A value or a refusal. Refusals are expected outcomes; faults are thrown as {@link Fault}. */
export type Result<T, R extends string = string> = Ok<T> | Refusal<R>

export interface Ok<T> {
  readonly ok: true
  readonly value: T
}

export interface Refusal<R extends string = string> {
  readonly ok: false
  /** Stable snake_case code; the set of codes is the type parameter. */
  readonly reason: R
  /** Where it was found (an offset, a JSON pointer). Never content of the refused input. */
  readonly detail?: string
}

export function ok<T>(value: T): Ok<T> {
  return { ok: true, value }
}

export function refuse<R extends string>(reason: R, detail?: string): Refusal<R> {
  return detail === undefined ? { ok: false, reason } : { ok: false, reason, detail }
}

/** A mistake of the calling program, never of a remote party. `code` is stable. */
export class Fault extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.name = 'Fault'
    this.code = code
  }
}
