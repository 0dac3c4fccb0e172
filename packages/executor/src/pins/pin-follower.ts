import {
  executorComponent,
  type JwsVerifier,
  type PinNotice,
  POLICY_ADMIN_ROLE,
  type Profile,
  type Result,
  readPinNotice,
  readPinRevocation,
  readShape,
  refuse,
  type TenantId,
} from '@trustgw/protocol'
import {
  type AuditWriter,
  type BusLink,
  type Clock,
  type Logger,
  type PublicKeys,
  type RecordStore,
  type StoredRecord,
} from '@trustgw/runtime'
import { NoticeFollower } from '../notice-follower.ts'
import { checkPasskey, type PasskeyTrust } from './check-passkey.ts'
import { pinShape } from './pin.ts'
import { addPin, readPins, revokePin } from './pin-file.ts'

/** Between two looks at what waits for another pin or for the lock of the file. */
export const PIN_RETRY_MS = 5_000
/** Refusals that time may change: another pin comes, the operator's command ends. */
const MAY_PASS_LATER: readonly string[] = ['pin_passkey', 'pins_locked', 'pin_revocation']

export interface PinFollowerDeps extends PasskeyTrust {
  readonly tenants: readonly TenantId[]
  readonly profile: Profile
  /** The bucket `pins`. */
  readonly records: RecordStore
  /** This executor's own `pins.json`. */
  readonly path: string
  readonly trust: PublicKeys
  readonly auditOf: (tenant: TenantId) => AuditWriter | undefined
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Takes pins and revocations of pins from the bus into this executor's own file (spec/protocol.md §4
 * "Trust roots"): a pin by the passkey of an admin whom it pinned before, a revocation by any one plane.
 * What was revoked once is never pinned again, whoever signs.
 */
export class PinFollower {
  readonly #deps: PinFollowerDeps
  readonly #follower: NoticeFollower
  /** Records that need no further look. */
  readonly #done = new Set<string>()
  readonly #revoked = new Set<string>()

  constructor(deps: PinFollowerDeps) {
    const { records, clock, logger } = deps
    this.#deps = deps
    this.#follower = new NoticeFollower({
      ...{ records, clock, logger, name: 'pins', retryMs: PIN_RETRY_MS },
      read: () => this.#read(),
      tellRefused: (tenant, reason, count) =>
        this.#record(tenant, 'pin_refused', { reason, count }),
    })
  }

  /** Takes up what the bus has and follows it. Rejects with the store's fault. */
  start(): Promise<void> {
    return this.#follower.start()
  }

  stop(): Promise<void> {
    return this.#follower.stop()
  }

  /** Revocations first, so that no pin comes in that one of them names. */
  async #read(): Promise<boolean> {
    let waits = false
    for (const tenant of this.#deps.tenants) {
      const stored = await this.#deps.records.list(tenant)
      const fresh = stored.filter(({ key }) => !this.#done.has(key))
      const isNotice = ({ value }: StoredRecord): boolean => value[0] === BRACE
      const revocations = fresh.filter((record) => !isNotice(record))
      for (const record of revocations) {
        waits = (await this.#settle(tenant, record, () => this.#revoke(tenant, record))) || waits
      }
      waits = (await this.#enforce(tenant)) || waits
      waits = (await this.#addAll(tenant, fresh.filter(isNotice))) || waits
    }
    return waits
  }

  /** One pin may be what the next one waits for. */
  async #addAll(tenant: TenantId, notices: readonly StoredRecord[]): Promise<boolean> {
    let waiting = notices
    for (;;) {
      const left: StoredRecord[] = []
      for (const record of waiting) {
        if (await this.#settle(tenant, record, () => this.#add(tenant, record))) left.push(record)
      }
      if (left.length === 0 || left.length === waiting.length) return left.length > 0
      waiting = left
    }
  }

  /** Whether the record has to be looked at again. */
  async #settle(
    tenant: TenantId,
    { key }: StoredRecord,
    work: () => Promise<Result<unknown>>,
  ): Promise<boolean> {
    const outcome = await work()
    if (!outcome.ok) {
      const { reason, detail } = outcome
      this.#deps.logger.warn('pin_refused', { tenant, key, reason, detail: detail ?? '' })
      this.#follower.refused(tenant, detail ?? reason)
      if (MAY_PASS_LATER.includes(reason)) return true
    }
    this.#done.add(key)
    return false
  }

  async #revoke(tenant: TenantId, { value }: StoredRecord): Promise<Result<unknown>> {
    const read = readPinRevocation(new TextDecoder().decode(value), (kid) => this.#revokerOf(kid))
    if (!read.ok) return read
    if (read.value.tenant !== tenant) return refuse('pin_other_tenant')
    this.#revoked.add(read.value.credential_id)
    return read
  }

  /** The operator, the host and a gateway may each say it alone; a revoked key of theirs may not. */
  #revokerOf(kid: string): JwsVerifier | undefined {
    const { trust } = this.#deps
    return (
      trust.keyFor({ role: 'operator' })(kid) ??
      trust.keyFor({ role: 'host', component: 'host', at: 'ever' })(kid) ??
      trust.keyFor({ role: 'audit', component: 'gateway', at: 'ever' })(kid)
    )
  }

  /** Whether a revocation could not be carried out yet. */
  async #enforce(tenant: TenantId): Promise<boolean> {
    const file = await readPins(this.#deps.path)
    if (!file.ok) return true
    const gone = file.value.pins.filter(({ credential_id }) => this.#revoked.has(credential_id))
    let waits = false
    for (const { credential_id, person } of gone) {
      const done = await revokePin(this.#deps.path, credential_id)
      if (done.ok) this.#record(tenant, 'pin_revoked', { person, credential_id })
      else waits = true
    }
    return waits
  }

  async #add(tenant: TenantId, { value }: StoredRecord): Promise<Result<unknown>> {
    const read = readPinNotice(value)
    if (!read.ok) return read
    const { statement, assertion } = read.value
    const { person, roles, credential_id, public_key, rp_id, origins, admin } = statement
    if (statement.tenant !== tenant) return refuse('pin_other_tenant')
    if (this.#revoked.has(credential_id)) return refuse('pin_revoked')
    const pin = { tenant, person, roles, credential_id, public_key, rp_id, origins }
    const shaped = readShape(pinShape, { ...pin, roles: [...roles], origins: [...origins] })
    if (!shaped.ok) return refuse('pin_malformed', shaped.detail)
    const signed = await this.#checkAdmin(tenant, { statement, assertion }, admin)
    if (!signed.ok) return signed
    const added = await addPin(this.#deps.path, shaped.value)
    if (!added.ok) return added.reason === 'pin_exists' ? signed : added
    this.#record(tenant, 'pin_added', { person, credential_id, admin, fingerprint: added.value })
    return added
  }

  async #checkAdmin(
    tenant: TenantId,
    { statement, assertion }: Omit<PinNotice, 'v'>,
    person: string,
  ): Promise<Result<unknown, 'pin_passkey'>> {
    const demand = { tenant, person, role: POLICY_ADMIN_ROLE }
    const checked = await checkPasskey(statement, assertion, demand, this.#deps)
    return checked.ok ? checked : refuse('pin_passkey', checked.detail)
  }

  #record(
    tenant: TenantId,
    type: 'pin_added' | 'pin_revoked' | 'pin_refused',
    payload: { readonly [name: string]: string | number },
  ): void {
    const { auditOf, profile, logger } = this.#deps
    if (type !== 'pin_refused') logger.warn(type, { tenant, ...payload })
    auditOf(tenant)
      ?.append(type, { actor: { kind: 'system', id: executorComponent(profile) }, payload })
      .catch(() => logger.warn('pin_news_not_recorded', { tenant, type }))
  }
}

/** Follows the bus into the file of an executor that has one. */
export async function followPins(
  { pinFile }: { readonly pinFile?: string },
  deps: Omit<PinFollowerDeps, 'path' | 'records'> & { readonly link: BusLink },
): Promise<PinFollower | undefined> {
  if (pinFile === undefined) return undefined
  const records = deps.link.records({ home: 'data', bucket: 'pins' })
  const follower = new PinFollower({ ...deps, path: pinFile, records })
  await follower.start()
  return follower
}

/** A notice is JSON, a revocation a token. */
const BRACE: number = '{'.charCodeAt(0)
