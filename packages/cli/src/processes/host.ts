import {
  type EnrolledMessage,
  type HostKey,
  type HostTrust,
  KeyRotation,
  runHost,
} from '@trustgw/host'
import { executorComponent } from '@trustgw/protocol'
import {
  type BusLink,
  KeyPublisher,
  nkeyFromSeed,
  nodeRandom,
  portalToken,
  type RecordStore,
  readSecretFile,
  recordKeyNews,
  type Settings,
  systemClock,
  verifierOf,
  viewKeySet,
} from '@trustgw/runtime'
import { loadAccounts } from '../install/install.ts'
import { layoutOf } from '../install/layout.ts'
import { rotationSigner } from '../keys/signers.ts'
import { VERSION } from '../version.ts'
import { channelsOf } from './channel-secrets.ts'
import {
  beat,
  followFreezes,
  namedKey,
  openAudit,
  openService,
  type Running,
  type Service,
} from './service.ts'

/** The human plane: passkeys, sessions, approvals and the portal. */
export async function runHostProcess(
  settings: Settings,
  options: {
    readonly portalFolder: string
    readonly onEnrolled: (message: EnrolledMessage) => void
  },
): Promise<Running> {
  const service = await openService(settings, 'host', layoutOf(settings).host)
  const { layout, link, tenant, book } = service
  const scope = nkeyFromSeed(new TextDecoder().decode(await readSecretFile(layout.host.peopleKey)))
  const account = (await loadAccounts(layout.accounts)).people.get(tenant)
  if (account === undefined)
    throw new TypeError(`${layout.accounts} names no account for people of ${tenant}`)
  const { port, host } = settings.host.listen
  const audit = await openAudit(service, { component: 'host', keyFile: layout.host.auditKey })
  const actor = { kind: 'system', id: 'host' } as const
  recordKeyNews({ book, audits: [audit], actor, log: service.log })
  const freezes = await followFreezes(service, layout.host.freezes, { writer: audit, id: 'host' })
  const running = await runHost(
    {
      tenant,
      listen: { hostname: host, port },
      origin: settings.host.origin,
      rpId: settings.host.rp_id,
      approvalOrigin: settings.host.approval_origin || undefined,
      approvalRpId: settings.host.approval_rp_id || undefined,
      busUrl: `ws://${new URL(settings.host.origin).hostname}:${settings.nats.websocket_port}`,
      portalFolder: options.portalFolder,
      enrolmentsFolder: layout.host.enrolments,
      installationFile: layout.installation,
      version: VERSION,
      channels: await channelsOf(settings),
    },
    {
      bus: link.bus,
      ...storesOf(link),
      freezes,
      trust: trustOf(service),
      clock: systemClock,
      random: nodeRandom,
      log: service.log,
      audit,
      hostKey: await hostKey(service, 'host', layout.host.hostKey),
      sessionKey: await hostKey(service, 'session', layout.host.sessionKey),
      keys: {
        view: (now) => viewKeySet(book, now),
        onNews: (listener) => book.onNews(listener),
      },
      tickets: { issue: (times) => portalToken(scope, account, times) },
      onEnrolled: options.onEnrolled,
    },
  )
  const rotation = await keyRotation(service)
  rotation?.start()
  const key = await namedKey(service, 'host', layout.host.hostKey)
  const stopBeats = beat(service, { component: 'host', key, freezes })
  return {
    stop: async () => {
      stopBeats()
      await rotation?.stop()
      await running.stop()
      await freezes.stop()
      await book.stop()
      await link.bus.drain()
    },
  }
}

function storesOf(link: BusLink) {
  const records = (bucket: string): RecordStore => link.records({ home: 'data', bucket })
  return {
    acl: records('acl'),
    approvals: records('approvals'),
    sessions: records('sessions'),
    channelMessages: records('channel_messages'),
    unsettled: records('unsettled'),
    toolTrust: records('tool_trust'),
    toolOrders: records('tool_orders'),
    freezeRecords: records('freezes'),
    pins: records('pins'),
    agents: records('agents'),
    agentNotices: records('agent_notices'),
    policies: records('policies'),
    policyStatus: records('policy_status'),
    tools: records('tools'),
    actions: link.reader({ home: 'data', stream: 'KV_actions' }),
    uiEvents: link.reader({ home: 'data', stream: 'UI' }),
    ui: link.publisher({ stream: 'UI' }),
  }
}

/** By the clock, where the operator delegated that to a key of the host; undefined where not. */
async function keyRotation({
  book,
  layout,
  link,
  log,
  passphrase,
  settings,
}: Service): Promise<KeyRotation | undefined> {
  const signer = await rotationSigner(layout.host.rotationKey, passphrase)
  if (signer === undefined) return undefined
  const records = (bucket: string): RecordStore => link.records({ home: 'data', bucket })
  const offers = records('key_offers')
  return new KeyRotation({
    book,
    publisher: new KeyPublisher({ book, sets: records('keys'), offers, clock: systemClock }),
    offers,
    signer,
    rotateEveryMs: settings.keys.rotate_every,
    overlapMs: settings.keys.overlap,
    clock: systemClock,
    log,
  })
}

async function hostKey(service: Service, role: string, file: string): Promise<HostKey> {
  const key = await namedKey(service, role, file)
  const verify = verifierOf(key.publicKey)
  if (verify === undefined) throw new TypeError('not an Ed25519 key')
  return { kid: key.kid, sign: key.sign, verify }
}

function trustOf({ keys, tenant }: Service): HostTrust {
  return {
    operatorKeyFor: keys.keyFor({ role: 'operator', tenant }),
    gatewayAuditKeyFor: keys.keyFor({ role: 'audit', component: 'gateway', tenant }),
    executorKeyFor: (profile, kid) =>
      keys.keyFor({ role: 'result', component: executorComponent(profile), tenant })(kid),
  }
}
