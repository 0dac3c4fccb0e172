import { ActionFeed } from './actions/action-feed.ts'
import { AgentDesk } from './agents/agent-desk.ts'
import { ApprovalDesk } from './approvals/approval-desk.ts'
import { ApprovalPages } from './approvals/approval-pages.ts'
import { ApprovalStore } from './approvals/approval-store.ts'
import { DecisionCourier } from './approvals/decision-courier.ts'
import { serveRequests } from './approvals/request-service.ts'
import { DeviceDesk } from './ceremony/device-desk.ts'
import { EnrolmentDesk } from './ceremony/enrolment-desk.ts'
import { LoginDesk } from './ceremony/login-desk.ts'
import { PasskeyDesk } from './ceremony/passkey-desk.ts'
import { pinnedOrigins, type RelyingParty } from './ceremony/passkeys.ts'
import { Channels } from './channels/channels.ts'
import type { HostDeps } from './deps.ts'
import { FreezeDesk } from './freezes/freeze-desk.ts'
import { portalNews } from './freezes/tell-portals.ts'
import type { ApiDeps } from './http/api.ts'
import { buildApp, guardOf } from './http/app.ts'
import { buildApprovalPage } from './http/approval-page.ts'
import { AttemptLimit } from './http/attempt-limit.ts'
import { buildListener, close, listen } from './http/listener.ts'
import { approvalPageHeaders, securityHeaders } from './http/security-headers.ts'
import { loadStaticFiles, type StaticFiles } from './http/static-files.ts'
import { OutcomeDesk } from './outcomes/outcome-desk.ts'
import { EnrolmentFiles } from './people/enrolment.ts'
import { PeopleStore } from './people/people-store.ts'
import { PersonDesk } from './people/person-desk.ts'
import { PinDesk } from './pins/pin-desk.ts'
import { pinRevoker } from './pins/revoke-pins.ts'
import { PolicyDesk } from './policy/policy-desk.ts'
import { PolicyView } from './policy/policy-view.ts'
import { RecordedActions } from './policy/recorded-actions.ts'
import { watchInstallation, watchLists } from './portal-lists.ts'
import { SESSION_SWEEP_MS, SessionDesk } from './session/session-desk.ts'
import { type CheckedSettings, checkSettings, type HostSettings } from './settings.ts'
import { ToolDesk } from './tools/tool-desk.ts'

/** How often undecided approvals are looked at. */
const APPROVAL_SWEEP_MS = 30_000

export interface RunningHost {
  /** The port that the listener got. */
  readonly port: number
  /** Whether everything is in place: the bus is connected and requests are answered. */
  health(): { readonly status: 'ok' | 'degraded'; readonly bus: string }
  /** Takes no new request, lets those in hand end, stops sending decisions. Idempotent. */
  stop(): Promise<void>
}

/** What a host is besides its listener. */
export interface HostCore {
  readonly approvals: ApprovalDesk
  stop(): Promise<void>
}

interface Desks {
  readonly store: ApprovalStore
  readonly courier: DecisionCourier
  readonly approvals: ApprovalDesk
  readonly pages: ApprovalPages
  readonly outcomes: OutcomeDesk
  readonly tools: ToolDesk
  readonly freezes: FreezeDesk
  readonly pins: PinDesk
  readonly agents: AgentDesk
  readonly persons: PersonDesk
  readonly channels: Channels
  readonly actions: ActionFeed
  readonly sessions: SessionDesk
  readonly enrolments: EnrolmentDesk
  readonly logins: LoginDesk
  readonly devices: DeviceDesk
  readonly passkeys: PasskeyDesk
  readonly policy: ApiDeps['policy']
}

/**
 * Starts the human plane: reads what is stored, takes up decisions that a former run left
 * undelivered, answers the gateway, and opens the portal's listener last. Faults: settings
 * (`host_settings`), the port (`ListenFault`), a bus out of reach (`BusFault`). The connection
 * itself belongs to the caller, who drains it after `stop`.
 */
export async function runHost(settings: HostSettings, deps: HostDeps): Promise<RunningHost> {
  const checked = checkSettings(settings)
  const files = await loadStaticFiles(checked.portalFolder)
  if (files.size === 0) deps.log.warn('portal_not_built', { folder: checked.portalFolder })
  const desks = buildDesks(checked, deps)
  const stopDesks = await openDesks(desks, checked, deps)
  const { bus, log } = deps
  const server = buildListener({
    handle: answering(checked, apiDeps(checked, deps, desks), files, log),
    guard: guardOf(checked, checked.approvalPage),
    headers: headersBy(checked),
    log,
  })
  const stopWatching = watchInstallation(
    checked.installationFile,
    portalNews(checked.tenant, deps),
    deps,
  )
  const stop = (): Promise<void> => {
    stopWatching()
    return stopDesks(() => close(server))
  }
  const port = await listen(server, checked.listen).catch(async (error: unknown) => {
    await stop()
    throw error
  })
  desks.courier.resume()
  let stopped: Promise<void> | undefined
  return {
    port,
    health: () => ({ status: bus.status === 'connected' ? 'ok' : 'degraded', bus: bus.status }),
    stop: () => (stopped ??= stop()),
  }
}

/** Each origin has its own answers; the guard has let no third name through. */
function answering(
  { approvalPage, origin, tenant }: CheckedSettings,
  api: ApiDeps,
  files: StaticFiles,
  log: HostDeps['log'],
): (request: Request, remoteAddress: string) => Promise<Response> {
  const portal = buildApp({ api, files, log })
  const page =
    approvalPage === undefined
      ? undefined
      : buildApprovalPage({ ...api, files, log, tenant, portal: origin })
  return async (request, remoteAddress) => {
    const isPage = new URL(request.url).host === approvalPage?.authority
    return await (isPage ? (page ?? portal) : portal).fetch(request, { remoteAddress })
  }
}

function headersBy({
  approvalPage,
  busUrl,
  secureCookies: secure,
}: CheckedSettings): (host: string | undefined) => ReadonlyMap<string, string> {
  const portal = securityHeaders({ busUrl, secure })
  const page = approvalPageHeaders({ secure })
  return (host) => (approvalPage !== undefined && host === approvalPage.authority ? page : portal)
}

/** The same without the listener, for what takes the portal's place: the simulator. */
export async function startHostCore(settings: HostSettings, deps: HostDeps): Promise<HostCore> {
  const checked = checkSettings(settings)
  const desks = buildDesks(checked, deps)
  const stop = await openDesks(desks, checked, deps)
  desks.courier.resume()
  return { approvals: desks.approvals, stop: () => stop(() => Promise.resolve()) }
}

/** Takes up what is stored and answers the gateway; how to stop that, beside the portal. */
async function openDesks(
  desks: Desks,
  { tenant, version }: CheckedSettings,
  deps: HostDeps,
): Promise<(closePortal: () => Promise<void>) => Promise<void>> {
  const { audit, bus, clock, log } = deps
  await desks.store.load()
  await audit.append('service_started', {
    actor: { kind: 'system', id: 'host' },
    payload: { version },
  })
  await desks.actions.start()
  await desks.channels.start()
  const responder = serveRequests({ tenant, bus, store: desks.store, clock, log })
  const stopSweeping = sweepOften(desks, deps)
  const tell = portalNews(tenant, deps)
  const stopTelling = [
    deps.freezes.onChange(() => tell('freezes')),
    deps.keys.onNews(() => tell('keys')),
  ]
  const watches = watchLists(deps, tell)
  return async (closePortal) => {
    stopSweeping()
    for (const stop of stopTelling) stop()
    await watches.stop()
    // Requests in hand may be waiting for a delivery, which is taken up at the next start.
    await Promise.all([closePortal(), desks.courier.stop(), desks.channels.stop()])
    await responder.stop()
    await desks.actions.stop()
    await recordStop(deps)
  }
}

function buildDesks(settings: CheckedSettings, deps: HostDeps): Desks {
  const { tenant } = settings
  const { audit, bus, clock, hostKey, log, onEnrolled, random, unsettled } = deps
  const { parties } = settings
  const party = parties.portal
  const people = new PeopleStore({ records: deps.acl, key: hostKey, tenant, log })
  const store = new ApprovalStore({ records: deps.approvals, key: hostKey, tenant, log })
  const courier = new DecisionCourier({ tenant, store, bus, audit, clock, log, hostKey })
  const approvals = new ApprovalDesk({
    tenant,
    party: parties.approval,
    signedOn: settings.approvalPage === undefined ? 'portal' : 'page',
    store,
    courier,
    hostKey,
    clock,
    random,
    audit,
    log,
  })
  const follow = (event: Parameters<ApprovalDesk['follow']>[0]): void => {
    approvals.follow(event).catch(() => {
      log.warn('approval_not_followed', { action: event.action_id })
    })
    channels.follow(event)
  }
  const files = new EnrolmentFiles(settings.enrolmentsFolder, tenant)
  const policy = policyDesks(deps, { tenant, party, people })
  const tell = portalNews(tenant, deps)
  const revokePins = pinRevoker({ ...deps, tenant })
  const common = { tenant, people, clock, random, audit }
  const sessions = new SessionDesk({ ...common, records: deps.sessions, key: deps.sessionKey })
  const actions = new ActionFeed({ tenant, bus, uiEvents: deps.uiEvents, log, onEvent: follow })
  const parts = { store, desk: approvals, people, feed: actions }
  const channels: Channels = channelsOf(settings, deps, parts)
  return {
    store,
    courier,
    approvals,
    pages: new ApprovalPages({ ...common, sessions, origin: settings.approvalPage?.origin }),
    tools: new ToolDesk({ ...deps, tenant }),
    freezes: new FreezeDesk({ ...deps, tenant, party }),
    pins: new PinDesk({ ...deps, tenant, party, people, tell, origins: pinnedOrigins(parties) }),
    agents: new AgentDesk({
      ...deps,
      tenant,
      party,
      people,
      tell,
      registries: () => policy.view.registries(),
    }),
    outcomes: new OutcomeDesk({ tenant, unsettled, bus, audit, clock, log, hostKey }),
    actions,
    channels,
    sessions,
    enrolments: new EnrolmentDesk({ ...common, parties, files, log, onEnrolled, revokePins }),
    logins: new LoginDesk({ ...common, party: parties.login }),
    devices: new DeviceDesk({ ...common, sessions, origin: settings.origin }),
    passkeys: new PasskeyDesk({ ...common, parties, revokePins }),
    persons: new PersonDesk({ ...deps, ...settings, files, people, sessions, revokePins, tell }),
    policy,
  }
}

function channelsOf(
  { tenant, origin, channels: settings = {} }: CheckedSettings,
  host: HostDeps,
  parts: Pick<ConstructorParameters<typeof Channels>[0], 'store' | 'desk' | 'people' | 'feed'>,
): Channels {
  return new Channels({ tenant, origin, settings, host, ...parts })
}

function policyDesks(
  deps: HostDeps,
  common: {
    readonly tenant: CheckedSettings['tenant']
    readonly party: RelyingParty
    readonly people: PeopleStore
  },
): ApiDeps['policy'] {
  const { actions, audit, clock, log, policies, policyStatus, random, tools, trust } = deps
  const view = new PolicyView({ ...common, policies, policyStatus, tools, trust, clock, log })
  return {
    view,
    desk: new PolicyDesk({ ...common, view, policies, clock, random, audit }),
    recorded: new RecordedActions({ tenant: common.tenant, actions, log }),
  }
}

function apiDeps(settings: CheckedSettings, deps: HostDeps, desks: Desks): ApiDeps {
  const { audit, bus, clock, keys, tickets } = deps
  return {
    ...desks,
    keys,
    tell: portalNews(settings.tenant, deps),
    attempts: new AttemptLimit(),
    cookies: {
      tenant: settings.tenant,
      busUrl: settings.busUrl,
      approvalOrigin: settings.approvalPage?.origin,
      secure: settings.secureCookies,
      clock,
      tickets,
    },
    audit,
    clock,
    installationFile: settings.installationFile,
    view: () => ({
      version: settings.version,
      node: process.versions.node,
      busConnected: bus.status === 'connected',
      openApprovals: desks.store.open().length,
    }),
  }
}

/** Repeats the sweeps; a failed one is tried again at its next time. */
function sweepOften(desks: Desks, deps: HostDeps): () => void {
  const approvals = repeat(deps, APPROVAL_SWEEP_MS, () => desks.approvals.sweep())
  const sessions = repeat(deps, SESSION_SWEEP_MS, () => desks.sessions.sweep())
  return () => {
    approvals()
    sessions()
  }
}

function repeat(deps: HostDeps, everyMs: number, sweep: () => Promise<void>): () => void {
  let cancel: (() => void) | undefined
  let stopped = false
  const again = (): void => {
    if (stopped) return
    cancel = deps.clock.setTimer(everyMs, () => {
      sweep()
        .catch(() => {
          deps.log.warn('sweep_failed')
        })
        .finally(again)
    })
  }
  again()
  return () => {
    stopped = true
    cancel?.()
  }
}

/** The last word of this run; a bus that is gone already is no reason not to stop. */
async function recordStop(deps: HostDeps): Promise<void> {
  if (deps.bus.status !== 'connected') return
  try {
    await deps.audit.append('service_stopped', { actor: { kind: 'system', id: 'host' } })
  } catch {
    deps.log.warn('stop_not_recorded')
  }
}
