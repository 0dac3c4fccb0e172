import type { AuthLevel, OnBehalfOf, Principal, Source } from '@trustgw/protocol'

/** Who calls, as one of the gateway's own checks found it. Only this file makes one. */
export interface Caller {
  readonly principal: Principal
  readonly source: Source
  readonly auth_level: AuthLevel
  readonly on_behalf_of: OnBehalfOf
  readonly workspace: string
  /** The credential by which the caller was recognised; looked up again before an action runs. */
  readonly key_id: string
}

const minted = new WeakSet<Caller>()

/** For the authenticators of this package only. */
export function mintCaller(caller: Caller): Caller {
  const frozen = Object.freeze({ ...caller })
  minted.add(frozen)
  return frozen
}

/** A caller that no authenticator made is a mistake of the program. */
export function assertCaller(caller: Caller): void {
  if (!minted.has(caller)) throw new TypeError('a caller that was not authenticated here')
}
