import { type ReviewedRequest, type ReviewRefusal, reviewRequest, stateView } from '@trustgw/card'
import type {
  ActionEvent,
  OutcomeDecision,
  Result,
  UiChange,
  UnsettledAction,
} from '@trustgw/protocol'
import {
  addRequests,
  isWaiting,
  mergeEvents,
  mergeSnapshot,
  missingRequests,
} from '../logic/feed.ts'
import type { PolicyStatusView } from '../logic/policy-status.ts'
import { problemSentence } from '../logic/problems.ts'
import type { Answer, Api } from '../ports/api.ts'
import type { Ports } from '../ports/ports.ts'
import { sha256 } from '../ports/sha256.ts'
import type { Session } from '../ports/shapes.ts'
import { AccountDesk } from './account-desk.ts'
import { AgentsDesk } from './agents-desk.ts'
import { FreezeDesk } from './freeze-desk.ts'
import { KeysDesk } from './keys-desk.ts'
import { LiveLink } from './live-link.ts'
import { PeopleDesk } from './people-desk.ts'
import { INITIAL_STATE, Store } from './portal-state.ts'
import { StepUpDesk } from './step-up-desk.ts'
import { VerdictDesk } from './verdict-desk.ts'

const SERVER_RETRY_MS = 4_000
/** Pauses double from the one to the other; the request is asked for during about six seconds. */
const REQUEST_RETRY_MIN_MS = 100
const REQUEST_RETRY_MAX_MS = 3_200
/** How long events are gathered where no frame comes. */
const HIDDEN_GATHER_MS = 100
const GATHER_MAX_MS = 250

/** The portal without its looks: session, feed, verdicts. */
export class Portal {
  readonly store: Store = new Store()
  readonly ports: Ports
  readonly freezes: FreezeDesk
  readonly people: PeopleDesk
  readonly agents: AgentsDesk
  readonly account: AccountDesk
  readonly keys: KeysDesk
  readonly stepUp: StepUpDesk
  readonly verdicts: VerdictDesk
  readonly #link: LiveLink
  readonly #reviews = new Map<string, Result<ReviewedRequest, ReviewRefusal>>()
  readonly #fetching = new Set<string>()
  readonly #arrived: ActionEvent[] = []
  #catchUpAgain: ReturnType<typeof setTimeout> | undefined
  /** Counts the sessions of people: what was asked in an earlier one is dropped. */
  #signIn = 0
  /** Whether a whole snapshot was merged since then: what comes now is news. */
  #caughtUp = false

  constructor(ports: Ports) {
    this.ports = ports
    const { store, sessionLost, serverNow } = this
    const desk = { ports, store, sessionLost, serverNow }
    this.freezes = new FreezeDesk(desk)
    this.people = new PeopleDesk(desk)
    this.agents = new AgentsDesk(desk)
    this.account = new AccountDesk(desk)
    this.keys = new KeysDesk(desk)
    this.stepUp = new StepUpDesk(desk)
    this.verdicts = new VerdictDesk(desk, {
      review: (id) => this.review(id),
      catchUp: () => void this.catchUp(),
    })
    ports.api.onStepUpNeeded(this.stepUp.ask)
    this.#link = new LiveLink(ports, {
      onLink: (link) => this.store.update({ link }),
      onEvent: (event) => this.#onEvent(event),
      onChange: (what) => void this.#reload[what](),
      onSession: (session) => this.#onSession(session),
      onSignedOut: () => this.#onSignedOut(),
      onCatchUp: () => {
        void this.catchUp()
        void this.freezes.load()
        void this.loadOutcomes()
        void this.loadTools()
        void this.loadPolicyStatus()
        void this.loadInstallation()
      },
    })
  }

  readonly #reload: Readonly<Record<UiChange['what'], () => Promise<void>>> = {
    freezes: () => this.freezes.load(),
    people: () => this.people.load(),
    agents: () => this.agents.load(),
    tools: () => this.loadTools(),
    policy: async () => void (await this.loadPolicyStatus()),
    outcomes: () => this.loadOutcomes(),
    installation: () => this.loadInstallation(),
    keys: () => this.keys.load(),
    // This one may be among the sessions that ended.
    sessions: () => this.account.load(),
  }

  /** Server time, by which deadlines are judged. */
  readonly serverNow = (): number => this.ports.now() + this.store.get().clockOffsetMs

  readonly deviceNow = (): number => this.ports.now()

  /** Looks for a session and, with one, goes live. */
  async start(): Promise<void> {
    const answer = await this.ports.api.session()
    if (answer.ok) {
      this.#signedIn(answer.value)
    } else if (answer.code === 'no_session') {
      this.#onSignedOut()
    } else {
      this.store.update({ phase: 'unreachable' })
      setTimeout(() => void this.start(), SERVER_RETRY_MS)
    }
  }

  readonly retryNow = (): void => this.#link.retryNow()

  /** Undefined when it worked; else a sentence. */
  async signIn(): Promise<string | undefined> {
    const begun = await this.ports.api.loginBegin()
    if (!begun.ok) return sentenceOf(begun)
    const signed = await this.ports.passkeys.sign(begun.value.options)
    if (!signed.ok) return sentenceOf(signed)
    const session = await this.ports.api.loginFinish(begun.value.ceremony, signed.value)
    if (!session.ok) return sentenceOf(session)
    this.#signedIn(session.value)
    this.store.update({ replayed: session.value.sessions_replayed })
    return undefined
  }

  async signOut(): Promise<void> {
    await this.ports.api.signOut()
    this.#onSignedOut()
  }

  /** Fetches what may have been missed and merges it; asks again where that fails. */
  async catchUp(): Promise<void> {
    clearTimeout(this.#catchUpAgain)
    const signIn = this.#signIn
    const before = new Set(this.store.get().feed.requests.keys())
    const { api } = this.ports
    const [actions, listed] = await Promise.all([api.actions(), api.approvals()])
    if (signIn !== this.#signIn) return
    const approvals = withoutRole(listed) ? NO_APPROVALS : listed
    if (!actions.ok || !approvals.ok) {
      const failed = actions.ok ? approvals : actions
      if (!failed.ok) this.#snapshotFailed(failed.code, failed.title)
      return
    }
    const { feed: known } = this.store.get()
    const feed = mergeSnapshot(known, { ...actions.value, ...approvals.value }, before)
    this.store.update({ feed, loaded: 'whole', snapshotProblem: undefined })
    const missed = approvals.value.approvals.filter(
      ({ action_id: id }) => !known.requests.has(id) && isWaiting(feed, id),
    )
    if (this.#caughtUp) for (const { action_id: id } of missed) this.#notify(id)
    this.#caughtUp = true
    this.#fetchMissing()
  }

  /** Over a slow line a long list takes a while: what is most urgent can be decided meanwhile. */
  async #loadUrgent(): Promise<void> {
    const signIn = this.#signIn
    const answer = await this.ports.api.urgentApprovals()
    const { feed, loaded } = this.store.get()
    if (!answer.ok || signIn !== this.#signIn || loaded !== 'no') return
    this.store.update({ feed: addRequests(feed, answer.value.approvals), loaded: 'urgent' })
  }

  /** What ended unseen; what was known stays when it cannot be fetched. */
  async loadOutcomes(): Promise<void> {
    const answer = await this.ports.api.outcomes()
    if (answer.ok) this.store.update({ unsettled: answer.value.actions })
    else if (answer.code === 'no_session') this.#onSignedOut()
  }

  async loadTools(): Promise<void> {
    const answer = await this.ports.api.tools()
    if (answer.ok) this.store.update({ tools: answer.value.tools })
    else if (answer.code === 'no_session') this.#onSignedOut()
  }

  /** Stops or releases a tool. Undefined when it is stored; else a sentence. */
  async orderTool(order: Parameters<Api['orderTool']>[0]): Promise<string | undefined> {
    const answer = await this.ports.api.orderTool(order)
    if (!answer.ok) return sentenceOf(answer)
    this.store.announce(order.order === 'release' ? 'Released' : 'Stopped')
    await this.loadTools()
    return undefined
  }

  /** Says what became of a call that ended unseen. Undefined when it is stored; else a sentence. */
  async settle(
    { action_id, jti }: UnsettledAction,
    outcome: OutcomeDecision['outcome'],
    reason: string,
  ): Promise<string | undefined> {
    const answer = await this.ports.api.settle(action_id, { jti, outcome, reason })
    if (!answer.ok) return sentenceOf(answer)
    this.store.announce('Recorded')
    await this.loadOutcomes()
    return undefined
  }

  async loadInstallation(): Promise<void> {
    const answer = await this.ports.api.installation()
    if (answer.ok) {
      this.store.update({ installation: answer.value, installationProblem: undefined })
    } else if (answer.code === 'no_session') {
      this.#onSignedOut()
    } else {
      this.store.update({ installationProblem: sentenceOf(answer) })
    }
  }

  /** Asks who approved an action so far. */
  async loadGiven(id: string): Promise<void> {
    const answer = await this.ports.api.approval(id)
    if (!answer.ok) return
    const given = new Map(this.store.get().given).set(id, answer.value.given)
    this.store.update({ given })
  }

  /** Who decides by which policy; undefined where it could not be learnt now. */
  async loadPolicyStatus(): Promise<PolicyStatusView | undefined> {
    const answer = await this.ports.api.policyStatus()
    if (answer.ok) {
      this.store.update({ policyStatus: answer.value })
      return answer.value
    }
    // What was known stays: the page says elsewhere that it may be out of date.
    if (answer.code === 'no_session') this.#onSignedOut()
    return undefined
  }

  /** An answer said that the session is over. */
  readonly sessionLost = (): void => this.#onSignedOut()

  /** The request judged here, in this browser; computed once, since requests are immutable. */
  review(id: string): Result<ReviewedRequest, ReviewRefusal> | undefined {
    const { feed, session } = this.store.get()
    const request = feed.requests.get(id)
    if (request === undefined || session === undefined) return undefined
    const known = this.#reviews.get(id)
    if (known !== undefined) return known
    const reviewed = reviewRequest(request, session.tenant, sha256)
    this.#reviews.set(id, reviewed)
    return reviewed
  }

  #signedIn(session: Session): void {
    this.#onSession(session)
    void this.#loadUrgent()
    this.#link.start(session)
    void this.freezes.load()
    void this.loadInstallation()
    void this.loadOutcomes()
    void this.loadTools()
    void this.loadPolicyStatus()
  }

  #onSession(session: Session): void {
    this.store.update({
      phase: 'signed_in',
      session,
      clockOffsetMs: session.now - this.ports.now(),
    })
  }

  #onSignedOut(): void {
    this.#link.stop()
    this.#signIn++
    this.#caughtUp = false
    clearTimeout(this.#catchUpAgain)
    this.#reviews.clear()
    this.stepUp.close()
    this.store.update({ ...INITIAL_STATE, phase: 'signed_out', link: { kind: 'signed_out' } })
  }

  #snapshotFailed(code: string, title: string): void {
    if (code === 'no_session') return this.#onSignedOut()
    this.store.update({ snapshotProblem: problemSentence(code, title) })
    clearTimeout(this.#catchUpAgain)
    this.#catchUpAgain = setTimeout(() => void this.catchUp(), SERVER_RETRY_MS)
  }

  /** Of what comes within a frame the page is told once; a hidden page has no frames. */
  #onEvent(event: ActionEvent): void {
    this.#arrived.push(event)
    if (this.#arrived.length > 1) return
    if (document.hidden) setTimeout(this.#takeArrived, HIDDEN_GATHER_MS)
    else requestAnimationFrame(this.#takeArrived)
    // A page may be hidden before its next frame.
    setTimeout(this.#takeArrived, GATHER_MAX_MS)
  }

  readonly #takeArrived = (): void => {
    const { feed, phase } = this.store.get()
    const arrived = this.#arrived.splice(0)
    if (phase !== 'signed_in') return
    const merged = mergeEvents(feed, arrived)
    if (merged === feed) return
    this.store.update({ feed: merged })
    const news = arrived.filter((event) => merged.events.get(event.action_id) === event)
    if (
      news.some(
        ({ state, action_id }) => state === 'needs_human' || this.#waitsForPerson(action_id),
      )
    ) {
      void this.loadOutcomes()
    }
    for (const event of news) {
      if (event.state !== 'pending_approval') this.ports.notifier.close(event.action_id)
      if (!merged.requests.has(event.action_id)) continue
      this.store.announce(`${event.tool_id}: ${stateView(event.state).label}`)
      // News of an action that still waits: one of several has approved.
      if (event.state === 'pending_approval') void this.loadGiven(event.action_id)
    }
    this.#fetchMissing()
  }

  #waitsForPerson(id: string): boolean {
    return this.store.get().unsettled?.some(({ action_id }) => action_id === id) ?? false
  }

  #fetchMissing(): void {
    for (const id of missingRequests(this.store.get().feed)) {
      if (!this.#fetching.has(id)) void this.#fetchRequest(id)
    }
  }

  async #fetchRequest(id: string): Promise<void> {
    this.#fetching.add(id)
    const signIn = this.#signIn
    const answer = await this.#whenKnown(id)
    this.#fetching.delete(id)
    if (signIn !== this.#signIn) return
    if (!answer.ok) {
      if (answer.code !== 'unknown_action' && !withoutRole(answer))
        this.#snapshotFailed(answer.code, answer.title)
      return
    }
    const { request } = answer.value
    const known = this.store.get().feed
    const feed = addRequests(known, [request])
    // A snapshot brought it meanwhile.
    if (feed === known) return
    this.store.update({ feed })
    if (!isWaiting(feed, id)) return
    this.store.announce(`New approval: ${request.contract.title}`)
    this.#notify(id)
  }

  /** Tool and code: what may stand on a locked screen. */
  #notify(id: string): void {
    const reviewed = this.review(id)
    if (reviewed?.ok !== true) return
    const { request, code } = reviewed.value
    this.ports.notifier.show({
      tag: id,
      title: 'A request waits for you',
      body: `${request.contract.id}, ${code}`,
      path: `/approvals/${id}`,
    })
  }

  /** The news of an action may be here before the host has its request: asks again for a while. */
  async #whenKnown(id: string): ReturnType<Ports['api']['approval']> {
    for (let pause = REQUEST_RETRY_MIN_MS; ; pause *= 2) {
      const answer = await this.ports.api.approval(id)
      const isEarly = !answer.ok && answer.code === 'unknown_action'
      if (!isEarly || pause > REQUEST_RETRY_MAX_MS) return answer
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }
}

const NO_APPROVALS = { ok: true, value: { approvals: [] } } as const

/** Who may see no arguments has no approvals, and nothing failed. */
function withoutRole(answer: Answer<unknown>): boolean {
  return !answer.ok && answer.code === 'role_missing'
}

function sentenceOf(problem: { readonly code: string; readonly title: string }): string {
  return problemSentence(problem.code, problem.title)
}
