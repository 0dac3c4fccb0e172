import type { NoteSigner } from '@trustgw/core'
import { type JwsSigner, parseSubject, type TenantId } from '@trustgw/protocol'
import type {
  BusLink,
  Clock,
  Delivery,
  DeliveryOutcome,
  Logger,
  PublicKeys,
  StoredMessage,
  StoredReader,
} from '@trustgw/runtime'
import { isRecordOf } from './store/entry.ts'
import { LogFault } from './store/log-fault.ts'
import { type LogName, logOrigin, logVerifiers, UNATTRIBUTED } from './store/log-files.ts'
import { TenantLog } from './store/tenant-log.ts'

/** Messages of the stream that one commit takes at most; also how far a crash can tear tenants apart. */
const BATCH_MAX_MESSAGES = 64
/** With so many at hand a batch is worth its commit, and waits for no more. */
const GATHERED_MESSAGES = 16
/** How often a hole in the stream is looked at before it is taken for one. */
const HOLE_TRIES = 3
const HOLE_PAUSE_MS = 100

export interface LogDeps {
  /** The log's own identity: consumer `AUDIT/log` and direct reads of `AUDIT`. */
  readonly link: BusLink
  readonly tenants: readonly TenantId[]
  readonly keys: PublicKeys
  /** Signs checkpoints; its public half is among `keys`, role `log`, component `log`. */
  readonly logKey: { readonly kid: string; readonly sign: JwsSigner }
  /** Holds one folder a tenant. */
  readonly dir: string
  readonly clock: Clock
  readonly logger: Logger
  /** A checkpoint is signed at most this often, and at the end. */
  readonly checkpointIntervalMs: number
  /** How long a delivered message waits for others, so that one commit serves them all. */
  readonly gatherMs: number
}

export interface LogStatus {
  /** Every message of the stream at least up to here is on disk. */
  readonly stream_seq: number
  readonly logs: readonly {
    readonly name: LogName
    readonly entries: number
    readonly under_checkpoint: number
  }[]
}

export interface RunningLog {
  status(): LogStatus
  /** Resolves when the log cannot write any more: nothing is acknowledged after it, so start anew. */
  readonly faulted: Promise<LogFault>
  /** Finishes what is being recorded, signs a last checkpoint, closes. Idempotent. */
  stop(): Promise<void>
}

/**
 * The sequencer of the record plane (spec/protocol.md §7): turns the stream AUDIT into one Merkle
 * tree a tenant. Every stored message becomes an entry once, in stream order, on disk before it is
 * acknowledged; what is malformed or forged is recorded with its problem, never left out.
 *
 * Throws `LogFault` `log_inconsistent` (files altered, or of another stream) and `log_key_unknown`,
 * `FileFault`, `BusFault`. NOT checked: that no second log writes to the same folder (the
 * supervisor starts one).
 */
export async function startLog(deps: LogDeps): Promise<RunningLog> {
  const publicKey = deps.keys.find(deps.logKey.kid, 'log')?.publicKey
  if (publicKey === undefined) throw new LogFault('log_key_unknown', deps.logKey.kid)
  const logs = new Map<string, TenantLog>()
  try {
    for (const name of [...deps.tenants, UNATTRIBUTED] as const) {
      logs.set(name, await openLog(deps, name, publicKey))
    }
    const reader = deps.link.reader({ home: 'data', stream: 'AUDIT' })
    for (const log of logs.values()) await checkStream(log, reader)
    const sequencer = new Sequencer(deps, logs, reader)
    sequencer.start()
    return sequencer
  } catch (error) {
    for (const log of logs.values()) await log.close()
    throw error
  }
}

function openLog(deps: LogDeps, name: LogName, publicKey: Uint8Array): Promise<TenantLog> {
  const { dir, keys, logKey } = deps
  const signer: NoteSigner = { name: logOrigin(name), public_key: publicKey, sign: logKey.sign }
  return TenantLog.open({ dir, name, keys, signer, verifiers: logVerifiers(keys, name) })
}

/** A new stream counts from one again: its messages would all pass for recorded ones. */
async function checkStream(log: TenantLog, reader: StoredReader): Promise<void> {
  const { last, name } = log
  if (last === undefined) return
  const message = await reader.getBySeq(last.stream_seq)
  if (message !== undefined && isRecordOf(last, message, name)) return
  throw new LogFault('log_inconsistent', `${name}: entry ${log.size} is not of this stream`)
}

function tenantOf(message: StoredMessage): TenantId | undefined {
  const tokens = parseSubject('audit', message.subject)
  return tokens.ok ? tokens.value.tenant : undefined
}

class Sequencer implements RunningLog {
  readonly faulted: Promise<LogFault>
  readonly #deps: LogDeps
  readonly #logs: ReadonlyMap<string, TenantLog>
  readonly #reader: StoredReader
  #cursor: number
  /** Delivered and not yet on disk, by sequence: what came while the last batch was written. */
  readonly #arrived = new Map<number, StoredMessage>()
  #lane: Promise<void> = Promise.resolve()
  #signedAt: number
  #cancelTimer: (() => void) | undefined
  #consumption: { stop(): Promise<void> } | undefined
  #stopping: Promise<void> | undefined
  #fault: LogFault | undefined
  #tellFault: (fault: LogFault) => void = () => undefined

  constructor(deps: LogDeps, logs: ReadonlyMap<string, TenantLog>, reader: StoredReader) {
    this.#deps = deps
    this.#logs = logs
    this.#reader = reader
    this.#signedAt = deps.clock.now()
    // A crash may have synced one tenant's part of a batch and not another's.
    const last = Math.max(0, ...[...logs.values()].map((log) => log.last?.stream_seq ?? 0))
    this.#cursor = Math.max(0, last - BATCH_MAX_MESSAGES)
    this.faulted = new Promise((resolve) => {
      this.#tellFault = resolve
    })
  }

  start(): void {
    // What a killed run had fetched and not acknowledged comes again only after the ack wait.
    void this.#exclusive(() => this.#catchUp()).catch((error: unknown) => this.#warn(error))
    this.#consumption = this.#deps.link
      .consumer({ home: 'data', stream: 'AUDIT', durable: 'log' })
      .consume((delivery) => this.#handle(delivery), BATCH_MAX_MESSAGES)
  }

  status(): LogStatus {
    const logs = [...this.#logs.values()].map(({ name, size, signedSize }) => ({
      name,
      entries: size,
      under_checkpoint: signedSize,
    }))
    return { stream_seq: this.#cursor, logs }
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#close()
    return this.#stopping
  }

  async #close(): Promise<void> {
    await this.#consumption?.stop()
    this.#cancelTimer?.()
    await this.#exclusive(async () => {
      try {
        if (this.#fault === undefined) await this.#sign()
      } finally {
        for (const log of this.#logs.values()) await log.close()
      }
    })
  }

  async #handle(delivery: Delivery): Promise<DeliveryOutcome> {
    const { seq, subject, data } = delivery
    this.#arrived.set(seq, { seq, subject, data })
    try {
      if (this.#deps.gatherMs > 0 && this.#arrived.size < GATHERED_MESSAGES)
        await this.#deps.clock.sleep(this.#deps.gatherMs)
      await this.#exclusive(() => this.#recordThrough(seq))
    } finally {
      this.#arrived.delete(seq)
    }
    return 'ack'
  }

  /** One thing at a time: batches and checkpoints share the trees. */
  #exclusive(work: () => Promise<void>): Promise<void> {
    const done = this.#lane.then(work)
    this.#lane = done.catch(() => undefined)
    return done
  }

  /**
   * Records up to a delivered message, and those that were delivered right after it: one commit for
   * all. The stream's own sequence gives the order: after a crash the consumer delivers new messages
   * before those that an earlier run left unacknowledged, so what is missing between is read.
   */
  async #recordThrough(seq: number): Promise<void> {
    while (this.#cursor < seq) {
      const first = this.#cursor + 1
      const last = this.#endOfBatch(seq)
      await this.#record(await this.#read(first, last), last)
    }
  }

  #endOfBatch(seq: number): number {
    const end = this.#cursor + BATCH_MAX_MESSAGES
    let last = Math.min(seq, end)
    while (last < end && this.#arrived.has(last + 1)) last += 1
    return last
  }

  async #catchUp(): Promise<void> {
    for (;;) {
      if (this.#stopping !== undefined) return
      const first = this.#cursor + 1
      const numbers = Array.from({ length: BATCH_MAX_MESSAGES }, (_, i) => first + i)
      const messages = await Promise.all(numbers.map((seq) => this.#reader.getBySeq(seq)))
      // Beyond the first that is not there may be the end, or a hole: deliveries tell.
      const end = messages.indexOf(undefined)
      const found = messages.slice(0, end === -1 ? undefined : end).filter(isMessage)
      await this.#record(found, first + found.length - 1)
      if (end !== -1) return
    }
  }

  /** The messages `first` to `last`: they are in the stream, unless there is a hole. */
  async #read(first: number, last: number): Promise<readonly StoredMessage[]> {
    const found: Promise<StoredMessage | undefined>[] = []
    for (let seq = first; seq <= last; seq += 1) {
      const arrived = this.#arrived.get(seq)
      found.push(arrived === undefined ? this.#readStored(seq) : Promise.resolve(arrived))
    }
    return (await Promise.all(found)).filter(isMessage)
  }

  async #readStored(seq: number): Promise<StoredMessage | undefined> {
    for (let tries = 1; tries <= HOLE_TRIES; tries += 1) {
      const message = await this.#reader.getBySeq(seq)
      if (message !== undefined) return message
      await this.#deps.clock.sleep(HOLE_PAUSE_MS)
    }
    // Somebody changed the stream; the writer's chain shows which event is missing.
    this.#deps.logger.error('log_stream_hole', { seq })
    return undefined
  }

  async #record(messages: readonly StoredMessage[], cursor: number): Promise<void> {
    if (this.#fault !== undefined) throw this.#fault
    const touched = new Set<TenantLog>()
    for (const message of messages) {
      const log = this.#logFor(message)
      if (log === undefined) continue
      touched.add(log)
      for (const { stream_seq, problem } of log.record(message)) {
        this.#deps.logger.error('log_entry_bad', { log: log.name, seq: stream_seq, problem })
      }
    }
    await this.#orFault(() => Promise.all([...touched].map((log) => log.commit())))
    this.#cursor = Math.max(this.#cursor, cursor)
    this.#scheduleCheckpoint()
  }

  #logFor(message: StoredMessage): TenantLog | undefined {
    return this.#logs.get(tenantOf(message) ?? '') ?? this.#logs.get(UNATTRIBUTED)
  }

  #scheduleCheckpoint(): void {
    if (this.#cancelTimer !== undefined || this.#stopping !== undefined) return
    if (![...this.#logs.values()].some((log) => log.signedSize !== log.size)) return
    const { clock, checkpointIntervalMs } = this.#deps
    const wait = Math.max(0, this.#signedAt + checkpointIntervalMs - clock.now())
    this.#cancelTimer = clock.setTimer(wait, () => {
      this.#cancelTimer = undefined
      void this.#exclusive(() => this.#sign()).catch((error: unknown) => this.#warn(error))
    })
  }

  async #sign(): Promise<void> {
    if (this.#fault !== undefined) return
    this.#signedAt = this.#deps.clock.now()
    await this.#orFault(async () => {
      for (const log of this.#logs.values()) await log.checkpoint()
    })
  }

  /** A failed write leaves the trees ahead of the disk: the log ends, and is read back anew. */
  async #orFault(work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#fault ??= new LogFault('log_unwritable', this.#deps.dir, { cause: error })
      this.#deps.logger.error('log_unwritable', { dir: this.#deps.dir })
      this.#tellFault(this.#fault)
      throw this.#fault
    }
  }

  #warn(error: unknown): void {
    this.#deps.logger.warn('log_delayed', {
      error: error instanceof Error ? error.name : 'unknown',
    })
  }
}

function isMessage(message: StoredMessage | undefined): message is StoredMessage {
  return message !== undefined
}
