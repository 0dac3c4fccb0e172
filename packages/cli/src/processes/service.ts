import type { BeatComponent, Component, TenantId } from '@trustgw/protocol'
import { NEWEST_KEY_SET_KEY, parseComponent } from '@trustgw/protocol'
import {
  type AuditWriter,
  BusFault,
  type BusLink,
  connectNats,
  FreezeBook,
  jsonLogger,
  KeyBook,
  keyIdOf,
  type Logger,
  loadSigningKey,
  type NamedKey,
  nodeRandom,
  type Passphrase,
  type PublicKeys,
  type RecordStore,
  readCredsFile,
  recordFreezeNews,
  type Settings,
  sha256,
  startAuditWriter,
  startBeats,
  systemClock,
  verifyNoticeSeal,
} from '@trustgw/runtime'
import { assertInstalled, tenantOf } from '../install/install.ts'
import { busAccess } from '../install/instances.ts'
import { type Layout, layoutOf } from '../install/layout.ts'
import { passphraseOf } from '../keys/passphrase.ts'

const FIRST_ANSWER_BUDGET_MS = 10_000
const FIRST_ANSWER_PAUSE_MS = 50

/** What every service process has in common once it is on the bus. */
export interface Service {
  readonly settings: Settings
  readonly layout: Layout
  readonly tenant: TenantId
  readonly link: BusLink
  /** The newest verified key set, followed; `keys` is its live view. */
  readonly book: KeyBook
  readonly keys: PublicKeys
  /** Opens its own keys. */
  readonly passphrase: Passphrase
  readonly log: Logger
}

/** A process's own files for the bus and for whom it trusts. */
export interface OwnFiles {
  readonly creds: string
  readonly trust: string
}

/** The files of one of several; `TypeError` for one that the settings do not have. */
export function filesOf<F>(all: readonly F[], instance: number, setting: string): F {
  const own = all[instance - 1]
  if (own === undefined) throw new TypeError(`instance ${instance} is beyond ${setting}`)
  return own
}

/**
 * How long a service takes to stop at most: more than the grace of running tools, the drain of open
 * requests and a write that waits for a stream's next leader. What is left then is as after a crash.
 */
export const STOP_BUDGET_MS = 15_000

/** A service that runs; `stop` ends it without losing anything. */
export interface Running {
  readonly stop: () => Promise<void>
  /** What its supervisor says over the channel. */
  readonly hear?: (message: unknown) => void
}

/** Diagnostic lines go to stdout, which the supervisor keeps in a file. */
export function processLogger(settings: Settings, name: string): Logger {
  return jsonLogger({
    write: (line) => process.stdout.write(`${line}\n`),
    clock: systemClock,
    level: settings.log_level,
    fields: { process: name },
  })
}

/**
 * Connects one identity and takes up the newest key set, its own or the bus's; refuses by name when the
 * installation is not complete.
 */
export async function openService(
  settings: Settings,
  name: string,
  own: OwnFiles,
): Promise<Service> {
  await assertInstalled(settings)
  const log = processLogger(settings, name)
  const layout = layoutOf(settings)
  const book = await KeyBook.open({ dir: own.trust, clock: systemClock, log })
  const link = await connectNats({
    ...busAccess(settings),
    creds: readCredsFile(own.creds),
    logger: log,
    random: nodeRandom,
  })
  const records = (bucket: string): RecordStore => link.records({ home: 'data', bucket })
  const stores = { sets: records('keys'), revocations: records('key_revocations') }
  await untilAnswered(() => stores.sets.get(NEWEST_KEY_SET_KEY))
  await book.follow(stores)
  const passphrase = await passphraseOf(settings)
  const tenant = tenantOf(settings)
  return { settings, layout, tenant, link, book, keys: book.keys, passphrase, log }
}

/** A server that just started may have its streams a moment later. `BusFault` after a while. */
async function untilAnswered(read: () => Promise<unknown>): Promise<void> {
  const deadline = systemClock.uptime() + FIRST_ANSWER_BUDGET_MS
  for (;;) {
    try {
      await read()
      return
    } catch (error) {
      if (!(error instanceof BusFault) || systemClock.uptime() > deadline) throw error
    }
    await systemClock.sleep(FIRST_ANSWER_PAUSE_MS)
  }
}

/**
 * The freezes that a plane without pins believes, followed; what it hears is on record where it has an
 * audit of its own. `FileFault`, `BusFault`.
 */
export async function followFreezes(
  { link, keys, log, tenant }: Service,
  dir: string,
  audit?: { readonly writer: AuditWriter; readonly id: string },
): Promise<FreezeBook> {
  const actor = { kind: 'system', id: audit?.id ?? 'log' } as const
  const book = new FreezeBook({
    tenants: [tenant],
    records: link.records({ home: 'data', bucket: 'freezes' }),
    dir,
    verify: (notice) => Promise.resolve(verifyNoticeSeal(notice, keys, systemClock.now())),
    news: recordFreezeNews({ auditOf: () => audit?.writer, actor, clock: systemClock, log }),
    sha256,
    clock: systemClock,
    log,
  })
  await book.start()
  return book
}

interface Beating {
  readonly component: BeatComponent
  readonly key: NamedKey
  readonly freezes: FreezeBook
}

/** The sign of life that executors wait for; the returned function ends it. */
export function beat(service: Service, { component, key, freezes }: Beating): () => void {
  const { book, link } = service
  return startBeats({
    component,
    instance: '1',
    key,
    bus: link.bus,
    clock: systemClock,
    keySetEpoch: () => book.epoch,
    freezeCount: () => freezes.counts(),
  })
}

export async function namedKey(
  { passphrase }: Pick<Service, 'passphrase'>,
  role: string,
  file: string,
): Promise<NamedKey> {
  const key = await loadSigningKey(file, passphrase)
  return { ...key, kid: keyIdOf(role, key.publicKey) }
}

/** The signed chain of this service in the tenant's log. */
export async function openAudit(
  service: Service,
  options: { readonly component: string; readonly keyFile: string; readonly instance?: string },
): Promise<AuditWriter> {
  const component = componentOf(options.component)
  const key = await namedKey(service, 'audit', options.keyFile)
  return startAuditWriter({
    tenant: service.tenant,
    component,
    instance: options.instance ?? '1',
    kid: key.kid,
    sign: key.sign,
    sha256,
    clock: systemClock,
    random: nodeRandom,
    bus: service.link.bus,
    publisher: service.link.publisher({ stream: 'AUDIT' }),
    reader: service.link.reader({ home: 'data', stream: 'AUDIT' }),
    keyFor: (kid, at) => service.keys.keyFor({ role: 'audit', component, at })(kid),
  })
}

function componentOf(text: string): Component {
  const component = parseComponent(text)
  if (!component.ok) throw new TypeError(`not a component: ${text}`)
  return component.value
}
