/** What stands still, hashed in this browser, and what a passkey signs to stop or to let go on. */
import { challengeOf } from '@trustgw/card'
import {
  type Freezable,
  type FreezeScope,
  type FreezeStatement,
  type Hash,
  hashText,
  isCovered,
  ok,
  type Result,
  refuse,
  type Sha256,
  statementHash,
  type ThawStatement,
} from '@trustgw/protocol'

/** How far the time in a statement may lie from the server's clock. */
const AT_TOLERANCE_MS = 60_000

/** As the host lists it. */
export interface ListedFreeze {
  readonly statement: FreezeStatement
  readonly reason: string
  readonly vouched: string
  readonly final: boolean
}

/** A freeze that no thaw has ended. */
export interface FreezeView {
  readonly hash: Hash
  readonly statement: FreezeStatement
  /** Null where the words are not those that were signed. */
  readonly reason: string | null
  /** Whoever said it, in words. */
  readonly who: string
  /** No thaw ends it. */
  readonly isFinal: boolean
}

/** Freezes of this tenant, under hashes that were made here. */
export function freezeViews(
  listed: readonly ListedFreeze[],
  tenant: string,
  sha256: Sha256,
): readonly FreezeView[] {
  return listed
    .filter(({ statement }) => statement.tenant === tenant)
    .map(({ statement, reason, vouched, final }) => ({
      hash: statementHash(sha256, statement),
      statement,
      reason: hashText(sha256, reason) === statement.reason_hash ? reason : null,
      who: whoOf(statement.by, vouched),
      isFinal: final,
    }))
}

/** The host vouches for people by name; what the gateway calls itself is only its own word. */
function whoOf(by: string, vouched: string): string {
  if (vouched === 'operator') return 'the operator'
  return vouched === 'gateway' ? 'the gateway' : by
}

/** What stands still, as a sentence names it. */
export function scopeWords(scope: FreezeScope): string {
  if (scope.kind === 'tenant') return 'everything'
  return scope.kind === 'key' ? `the agent key ${scope.name}` : `the ${scope.kind} ${scope.name}`
}

/** The freezes that keep an action from starting, as far as it is known. */
export function holding(
  freezes: readonly FreezeView[],
  action: Partial<Freezable>,
): readonly FreezeView[] {
  return freezes.filter(({ statement }) => isCovered(statement, action))
}

/** What a person wants. */
export type FreezeWish =
  | {
      readonly order: 'freeze'
      readonly scope: FreezeScope
      readonly reason: string
      /** No thaw ends it; for admins. */
      readonly final?: true
    }
  | { readonly order: 'thaw'; readonly freeze: Hash; readonly reason: string }

/** What the host adds to it for one ceremony. */
export type OfferedFreeze = FreezeStatement | ThawStatement

export type FreezeRefusal =
  /** Another kind, tenant, person, scope, freeze or reason than on this page. */
  'statement_differs' | 'time_differs'

/** The challenge of exactly this wish; the host gives time, nonce and counter, and nothing else. */
export function signableFreeze(
  wish: FreezeWish,
  offered: OfferedFreeze,
  expected: {
    readonly tenant: FreezeStatement['tenant']
    readonly person: string
    readonly now: number
    readonly sha256: Sha256
  },
): Result<{ readonly challenge: string }, FreezeRefusal> {
  const { tenant, person, now, sha256 } = expected
  const { at, nonce } = offered
  const reason_hash = hashText(sha256, wish.reason)
  const said = { tenant, reason_hash, by: person, at, nonce }
  const own = ownStatement(wish, offered, said)
  if (own === undefined || statementHash(sha256, own) !== statementHash(sha256, offered)) {
    return refuse('statement_differs')
  }
  if (Math.abs(at - now) > AT_TOLERANCE_MS) return refuse('time_differs')
  return ok({ challenge: challengeOf(own, sha256) })
}

function ownStatement(
  wish: FreezeWish,
  offered: OfferedFreeze,
  said: Pick<FreezeStatement, 'tenant' | 'reason_hash' | 'by' | 'at' | 'nonce'>,
): OfferedFreeze | undefined {
  if (wish.order === 'thaw') return { typ: 'trustgw/thaw/1', freeze_hash: wish.freeze, ...said }
  if (offered.typ !== 'trustgw/freeze/1') return undefined
  const { scope, final } = wish
  const forGood = final === true ? { final } : {}
  return { typ: 'trustgw/freeze/1', scope, counter: offered.counter, ...forGood, ...said }
}
