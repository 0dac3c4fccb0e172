/**
 * The proof that a stage of admission was passed. The value behind it is given out only for a
 * token that was minted in the stage's own module: a cast object opens nothing.
 */
export class StageToken<N extends string> {
  readonly stage: N

  constructor(stage: N) {
    this.stage = stage
  }

  /** In a log, the stage and nothing of the action. */
  toJSON(): N {
    return this.stage
  }
}

export interface Stage<N extends string, T> {
  /** Kept inside the module that makes the checks. */
  readonly mint: (value: T) => StageToken<N>
  /** `TypeError` for a token of another origin. */
  readonly open: (token: StageToken<N>) => T
}

export function makeStage<N extends string, T>(name: N): Stage<N, T> {
  const values = new WeakMap<StageToken<N>, { readonly value: T }>()
  return {
    mint: (value) => {
      const token = new StageToken(name)
      values.set(token, { value })
      return Object.freeze(token)
    },
    open: (token) => {
      const held = values.get(token)
      if (held === undefined) throw new TypeError(`not a token of ${name}`)
      return held.value
    },
  }
}
