import type { ActionEvent, ApprovalRequest } from '@trustgw/protocol'
import { EMPTY_FEED, filterEvents, NO_FILTER, pendingRequests } from '../../../src/logic/feed.ts'
import type { Answer, Api } from '../../../src/ports/api.ts'
import type { LiveConnection, LiveNews } from '../../../src/ports/live.ts'
import type { Ports } from '../../../src/ports/ports.ts'
import type { Session } from '../../../src/ports/shapes.ts'
import { Portal } from '../../../src/state/portal.ts'
import type { LiveBounds, LiveEnd, LiveFixtures, LiveStep, PlayLive } from '../live-step.ts'
import { browserClock } from './browser-clock.ts'

/** Longer than the pauses between attempts, and shorter than the life of a connection. */
const SETTLE_MS = 30_000
const SETTLE_STEP_MS = 500
const SLEEP_MS = 60_000

interface Call {
  readonly name: string
  readonly compute: () => unknown
  readonly settle: (answer: Answer<never>) => void
  computed?: unknown
}

interface Wire {
  readonly news: LiveNews
  readonly end: () => void
  isDead: boolean
  onTheWay: ActionEvent[]
}

const LOST: Answer<never> = { ok: false, code: 'offline', title: 'No answer' }
const SESSION: Session = {
  person: { id: 'ada', name: 'Ada', roles: ['approver'] },
  tenant: 'acme',
  expires_at: Number.MAX_SAFE_INTEGER,
  sessions_replayed: 0,
  approval_origin: null,
  now: 0,
  bus: { url: 'ws://x', subject: 's', changed: 'c', inbox_prefix: 'i', user: 'U' },
}

/** The real portal without its looks, between a server, a wire and a clock that the steps drive. */
class LiveWorld {
  readonly #clock = browserClock()
  readonly #bounds: LiveBounds
  readonly #fixtures: LiveFixtures
  readonly #stored = new Map<string, ActionEvent>()
  readonly #pending = new Map<string, ApprovalRequest>()
  readonly #calls: Call[] = []
  readonly #opening: ((works: boolean) => void)[] = []
  readonly #notes: string[] = []
  #wires: Wire[] = []
  #revision = 0
  readonly #portal: Portal

  constructor(bounds: LiveBounds, fixtures: LiveFixtures) {
    this.#bounds = bounds
    this.#fixtures = fixtures
    this.#portal = new Portal(this.#ports())
    this.#portal.store.update({ feed: { ...EMPTY_FEED, limit: bounds.kept } })
  }

  async play(steps: readonly LiveStep[]): Promise<LiveEnd> {
    void this.#portal.start()
    for (const step of steps) {
      this.#take(step)
      await this.#clock.run(step.kind === 'time' ? step.ms : 0)
    }
    await this.#settle()
    const { feed, link } = this.#portal.store.get()
    const end = {
      stored: [...this.#stored.values()],
      shown: filterEvents(feed, NO_FILTER),
      saysCut: feed.from > 0,
      pending: [...this.#pending.keys()],
      shownPending: pendingRequests(feed).map(({ action_id }) => action_id),
      notes: this.#notes,
      live: link.kind === 'live',
    }
    await this.#portal.signOut()
    return end
  }

  restore(): void {
    this.#clock.restore()
  }

  /** The last reconnection. After it the first answer of each kind is lost, and nothing else. */
  async #settle(): Promise<void> {
    const lost = new Set<string>()
    this.#cut()
    this.#clock.window.dispatchEvent(new Event('online'))
    for (let ms = 0; ms < SETTLE_MS; ms += SETTLE_STEP_MS) {
      this.#take({ kind: 'connect', fails: false })
      this.#wires = this.#wires.filter(({ isDead }) => !isDead)
      for (const wire of this.#wires)
        for (const one of wire.onTheWay.splice(0)) wire.news.onEvent(one)
      for (const call of this.#calls.splice(0)) {
        const isFirst = !lost.has(call.name)
        lost.add(call.name)
        call.settle(isFirst ? LOST : ((call.computed ?? call.compute()) as never))
      }
      await this.#clock.run(SETTLE_STEP_MS)
    }
  }

  #take(step: LiveStep): void {
    if (step.kind === 'change') this.#change(step)
    else if (step.kind === 'deliver') this.#deliver(step)
    else if (step.kind === 'compute') {
      const call = at(this.#calls, step.which)
      if (call !== undefined) call.computed ??= call.compute()
    } else if (step.kind === 'answer') this.#answer(step)
    else if (step.kind === 'connect') this.#opening.shift()?.(!step.fails)
    else if (step.kind === 'cut') this.#cut()
    else if (step.kind === 'sleep') this.#sleep()
    else if (step.kind === 'look') this.#clock.document.dispatchEvent(new Event('visibilitychange'))
  }

  #change({ action, waits }: { readonly action: number; readonly waits: boolean }): void {
    const request = this.#fixtures.request(action)
    const id = request.action_id
    const isKnown = this.#stored.has(id)
    // What was decided is never asked again.
    const isPending = waits && (!isKnown || this.#pending.has(id))
    const event = this.#fixtures.event(action, isPending, ++this.#revision)
    this.#stored.set(id, event)
    if (isPending) this.#pending.set(id, request)
    else this.#pending.delete(id)
    for (const wire of this.#wires) if (!wire.isDead) wire.onTheWay.push(event)
  }

  #deliver({ which, again }: { readonly which: number; readonly again: boolean }): void {
    const wire = at(this.#wires, which)
    const event = at(wire?.onTheWay ?? [], which)
    if (wire === undefined || event === undefined) return
    if (!again) wire.onTheWay = wire.onTheWay.filter((one) => one !== event)
    wire.news.onEvent(event)
  }

  #answer({ which, lost }: { readonly which: number; readonly lost: boolean }): void {
    const call = at(this.#calls, which)
    if (call === undefined) return
    this.#calls.splice(this.#calls.indexOf(call), 1)
    call.settle(lost ? LOST : ((call.computed ?? call.compute()) as never))
  }

  #cut(): void {
    for (const wire of this.#wires.splice(0)) wire.end()
  }

  #sleep(): void {
    for (const wire of this.#wires) {
      wire.isDead = true
      wire.onTheWay = []
    }
    this.#clock.sleep(SLEEP_MS)
  }

  readonly #open = async (_bus: Session['bus'], news: LiveNews): Promise<LiveConnection> => {
    const works = await new Promise<boolean>((resolve) => this.#opening.push(resolve))
    if (!works) throw new Error('no connection')
    let end: () => void = () => undefined
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    const wire: Wire = { news, end, isDead: false, onTheWay: [] }
    this.#wires.push(wire)
    const close = (): void => {
      this.#wires = this.#wires.filter((one) => one !== wire)
      end()
    }
    return { ended, close }
  }

  #ports(): Ports {
    const call = async (name: string, compute: () => unknown): Promise<Answer<never>> =>
      new Promise((settle) => this.#calls.push({ name, compute, settle }))
    const answered: Partial<Api> = {
      session: () => call('session', () => ({ ok: true, value: SESSION })),
      actions: () => call('actions', () => ({ ok: true, value: this.#listed() })),
      approvals: () =>
        call('approvals', () => ({ ok: true, value: { approvals: [...this.#pending.values()] } })),
      urgentApprovals: () =>
        call('urgent', () => ({
          ok: true,
          value: { approvals: [...this.#pending.values()].slice(0, 2) },
        })),
      approval: (id) => call('approval', () => this.#shown(id)),
      signOut: () => Promise.resolve({ ok: true, value: null }),
      onStepUpNeeded: () => undefined,
    }
    // Whatever else the portal asks has no answer, which it takes as being offline.
    const api = new Proxy(answered, {
      get: (known, name) => Reflect.get(known, name) ?? (() => Promise.resolve(LOST)),
    }) as Api
    const unused = (): never => {
      throw new TypeError('not in this world')
    }
    return {
      api,
      live: { open: this.#open },
      passkeys: { create: unused, sign: unused },
      notifier: {
        state: () => 'on',
        turnOn: () => Promise.resolve('on'),
        turnOff: () => undefined,
        show: ({ tag }) => void this.#notes.push(tag),
        close: () => undefined,
      },
      judge: unused,
      now: this.#clock.now,
      chance: () => 0.5,
    }
  }

  #listed(): { readonly actions: readonly ActionEvent[]; readonly whole: boolean } {
    const all = [...this.#stored.values()].sort((a, b) => b.revision - a.revision)
    const { listed } = this.#bounds
    return { actions: all.slice(0, listed), whole: all.length <= listed }
  }

  #shown(id: string): unknown {
    const request = this.#pending.get(id)
    return request === undefined
      ? { ok: false, code: 'unknown_action', title: 'Unknown' }
      : { ok: true, value: { request, state: 'pending_approval', given: [] } }
  }
}

function at<T>(list: readonly T[], which: number): T | undefined {
  return list[which % Math.max(1, list.length)]
}

export const playLive: PlayLive = async (steps, bounds, fixtures) => {
  const world = new LiveWorld(bounds, fixtures)
  try {
    return await world.play(steps)
  } finally {
    world.restore()
  }
}
