import type { NatsConnection } from '@nats-io/transport-node'
import { BusFault } from '../bus/bus.ts'
import { insertOnlyProblems, LIVE_BUCKETS } from '../nats/streams.ts'
import { type AckedOutcome, ackedWrite } from './acked-write.ts'
import { decodeClaim, encodeClaim } from './claim-entry.ts'
import type {
  Claim,
  ClaimEntry,
  ClaimOutcome,
  ClaimStore,
  InsertOnlyOutcome,
} from './claim-store.ts'
import { type ApiAnswer, isSubjectTaken } from './js-api.ts'
import { bucketSubject } from './key.ts'
import { leaderGetSubject, type StreamRef, streamConfig } from './nats-read.ts'

/** How long a claim is tried: less than a grant lives, so that a late answer is worth something. */
export const CLAIM_BUDGET_MS = 5_000

export interface NatsClaimStoreOptions {
  readonly nc: NatsConnection
  readonly inboxPrefix: string
  readonly api: string
  readonly bucket: string
  readonly replicated: boolean
}

/** Claims in an insert-only stream of another account. */
export class NatsClaimStore implements ClaimStore {
  readonly #bucket: string
  readonly #ref: StreamRef

  constructor(options: NatsClaimStoreOptions) {
    this.#bucket = options.bucket
    const { nc, inboxPrefix, api, replicated } = options
    this.#ref = { nc, inboxPrefix, api, replicated, stream: `KV_${options.bucket}` }
  }

  async claim(key: string, claim: Claim): Promise<ClaimOutcome> {
    const outcome = await ackedWrite(this.#ref.nc, {
      subject: bucketSubject(this.#bucket, key),
      data: encodeClaim(claim),
      // Unique per attempt: with the key alone, a stranger's duplicate would look like a success.
      msgId: `${key}:${claim.attempt}`,
      stream: this.#ref.stream,
      expectLastSubjectSeq: 0,
      budgetMs: CLAIM_BUDGET_MS,
    })
    if (outcome.kind === 'stored') return outcome.stored.duplicate ? 'mine' : 'claimed'
    return this.#settle(key, claim, outcome)
  }

  async read(key: string): Promise<ClaimEntry | undefined> {
    const found = await leaderGetSubject(this.#ref, bucketSubject(this.#bucket, key))
    return found === undefined ? undefined : decodeClaim(found.data, found.seq)
  }

  async verifyInsertOnly(): Promise<InsertOnlyOutcome> {
    return judgeInsertOnly(await streamConfig(this.#ref), this.#bucket)
  }

  /** "Taken" is believed only when the leader shows an entry (spec/protocol.md §6). */
  async #settle(
    key: string,
    claim: Claim,
    outcome: Extract<AckedOutcome, { kind: 'refused' }>,
  ): Promise<ClaimOutcome> {
    const { code, description } = outcome.refusal
    if (!isSubjectTaken(outcome.refusal)) {
      throw new BusFault('store_refused', `${this.#bucket}: ${code} ${description}`)
    }
    const entry = await this.read(key)
    if (entry === undefined) throw new BusFault('store_ambiguous', `${this.#bucket}: ${code}`)
    return entry.attempt === claim.attempt ? 'mine' : 'taken'
  }
}

/** Settings by which an entry could be missed or come from elsewhere; none may be set. */
const MUST_BE_ABSENT = [
  'subject_transform',
  'mirror',
  'sources',
  'republish',
  'sealed',
  'allow_msg_counter',
] as const

function judgeInsertOnly(config: ApiAnswer, bucket: string): InsertOnlyOutcome {
  const [setting] = insertOnlyProblems(bucket, config)
  if (setting !== undefined) return { ok: false, reason: 'not_insert_only', setting }
  // What is told as it happens is stored all the same.
  const isTold = LIVE_BUCKETS.includes(bucket)
  const set = MUST_BE_ABSENT.find(
    (name) => isSet(config[name]) && !(isTold && name === 'republish'),
  )
  return set === undefined ? { ok: true } : { ok: false, reason: 'not_insert_only', setting: set }
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false
}
