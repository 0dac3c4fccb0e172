import {
  AUDIT_EVENT_MAX_BYTES,
  type AuditEvent,
  type AuditEventType,
  auditEventHash,
  auditEventId,
  auditEventJson,
  auditSigningInput,
  base64urlEncode,
  type Component,
  canonicalize,
  type Hash,
  ID_RANDOM_BYTES,
  type Instance,
  type JwsSigner,
  parseEventType,
  parseInstance,
  type Sha256,
  subject,
  subjectPattern,
  type TenantId,
} from '@trustgw/protocol'
import type { Bus } from '../bus/bus.ts'
import type { Clock } from '../clock/clock.ts'
import type { Random } from '../random/random.ts'
import type { StoredPublisher } from '../store/stored-publisher.ts'
import type { StoredReader } from '../store/stored-reader.ts'
import { AuditFault, type AuditFields, type AuditStored, type AuditWriter } from './audit-writer.ts'

export interface ChainWriterOptions {
  readonly tenant: TenantId
  readonly component: Component
  /** With the component it names the chain; stays the same over restarts, differs per process. */
  readonly instance: string
  /** An executor's account stamps its component in, so it publishes on a local subject (§6). */
  readonly local?: boolean
  readonly kid: string
  readonly sign: JwsSigner
  readonly sha256: Sha256
  readonly clock: Clock
  readonly random: Random
  readonly bus: Bus
  readonly publisher: StoredPublisher
  readonly reader: StoredReader
}

/** Where a chain stands: the next sequence and the hash that it points back to. */
export interface ChainPlace {
  readonly seq: number
  readonly prevHash: Hash
}

interface Pending {
  readonly event: AuditEvent
  readonly subject: string
  readonly bytes: Uint8Array
}

/** A failed event is tried again for this long before a later one is refused. */
export const AUDIT_RESYNC_BUDGET_MS = 3_000

export function auditWriterName(component: Component, instance: string): string {
  return `${component}/${instance}`
}

/** Each writer has subjects of its own, so its last event is found however busy the others are. */
export function ownSubjects(
  options: Pick<ChainWriterOptions, 'tenant' | 'component' | 'instance'>,
): string {
  const { tenant, component } = options
  return subjectPattern('audit', { tenant, component, instance: instanceOf(options) })
}

/** `TypeError` for a name that cannot stand in a subject. */
function instanceOf({ instance }: Pick<ChainWriterOptions, 'instance'>): Instance {
  const parsed = parseInstance(instance)
  if (!parsed.ok) throw new TypeError('not a name of an instance')
  return parsed.value
}

/**
 * One event is on its way at a time: a later one waits until every earlier one is stored, so that no
 * stored chain has a hole, whatever gets lost and whenever the process dies.
 */
export class ChainWriter implements AuditWriter {
  readonly #options: ChainWriterOptions
  readonly #pending = new Set<Pending>()
  #seq: number
  #prevHash: Hash
  #lane: Promise<void> = Promise.resolve()
  #troubled = false
  #failed = false

  constructor(options: ChainWriterOptions, place: ChainPlace) {
    this.#options = options
    this.#seq = place.seq
    this.#prevHash = place.prevHash
    options.bus.onStatus((status) => {
      if (status !== 'connected') this.#troubled = true
    })
  }

  async append(type: AuditEventType, fields: AuditFields): Promise<AuditStored> {
    const ready = this.#lane.then(() => this.#settle())
    const sent = ready.then(() => {
      const pending = this.#make(type, fields)
      return { pending, stored: this.#store(pending) }
    })
    // The next event waits until this one is stored: sent together, this one could get lost alone,
    // and a crash would leave a chain that nothing can mend.
    this.#lane = sent
      .then(({ stored }) => stored)
      .then(
        () => undefined,
        () => undefined,
      )
    const { pending, stored } = await sent
    const { stream, seq } = await stored
    return { event: pending.event, stored: { stream, seq } }
  }

  /** After trouble: stores what is open, in order, before anything else. */
  async #settle(): Promise<void> {
    if (!this.#troubled && !this.#failed) return
    for (const pending of this.#pending) {
      try {
        if (!(await this.#isStored(pending))) await this.#publish(pending, AUDIT_RESYNC_BUDGET_MS)
        this.#pending.delete(pending)
      } catch (error) {
        throw new AuditFault('audit_broken', `event ${pending.event.seq}`, { cause: error })
      }
    }
    this.#troubled = this.#options.bus.status !== 'connected'
    this.#failed = false
  }

  /**
   * The stream knows a repeat by its id for two minutes. After that it would store the event once more,
   * and the chain would never verify again.
   */
  async #isStored({ bytes }: Pending): Promise<boolean> {
    const last = await this.#options.reader.getLast(ownSubjects(this.#options))
    return last !== undefined && Buffer.compare(last.data, bytes) === 0
  }

  async #store(pending: Pending): Promise<AuditStored['stored']> {
    this.#pending.add(pending)
    try {
      const stored = await this.#publish(pending, undefined)
      this.#pending.delete(pending)
      return stored
    } catch (error) {
      this.#failed = true
      throw new AuditFault('audit_not_stored', `event ${pending.event.seq}`, { cause: error })
    }
  }

  #publish(pending: Pending, budgetMs: number | undefined): Promise<AuditStored['stored']> {
    return this.#options.publisher.publishStored(pending.subject, pending.bytes, {
      msgId: pending.event.event_id,
      ...(budgetMs === undefined ? {} : { budgetMs }),
    })
  }

  #make(type: AuditEventType, fields: AuditFields): Pending {
    const { component, instance, kid, tenant } = this.#options
    const unsigned = {
      v: 1,
      event_id: auditEventId(this.#options.random.bytes(ID_RANDOM_BYTES)),
      type,
      time: this.#options.clock.now(),
      tenant,
      writer: auditWriterName(component, instance),
      kid,
      seq: this.#seq,
      prev_hash: this.#prevHash,
      actor: fields.actor,
      action_id: fields.action_id ?? null,
      trace: fields.trace ?? null,
      payload: fields.payload ?? {},
    } as const
    const sig = base64urlEncode(this.#options.sign(auditSigningInput(unsigned)))
    const event: AuditEvent = { ...unsigned, sig }
    const bytes = new Uint8Array(Buffer.from(canonicalize(auditEventJson(event))))
    if (bytes.length > AUDIT_EVENT_MAX_BYTES) throw new AuditFault('audit_too_large', type)
    const pending = { event, bytes, subject: this.#subject(type) }
    this.#seq += 1
    this.#prevHash = auditEventHash(this.#options.sha256, event)
    return pending
  }

  #subject(type: AuditEventType): string {
    const event = parseEventType(type)
    if (!event.ok) throw new TypeError('not an event type')
    const { tenant, component, local } = this.#options
    const instance = instanceOf(this.#options)
    if (local === true) return subject('audit_local', { tenant, instance, event: event.value })
    return subject('audit', { tenant, component, instance, event: event.value })
  }
}
