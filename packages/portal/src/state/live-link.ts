import { reconnectDelayMs } from '../logic/back-off.ts'
import type { LiveConnection, LiveNews } from '../ports/live.ts'
import type { Ports } from '../ports/ports.ts'
import type { Session } from '../ports/shapes.ts'
import type { Link } from './portal-state.ts'

/** The bus identity lives five minutes; a second connection takes over before that. */
const ROTATE_MS = 240_000
/** Timers stop while a machine sleeps; a longer gap than this between two ticks is a wake. */
const TICK_MS = 5_000
const WAKE_GAP_MS = 20_000
/** Browsers let the timers of a hidden page run once a minute only. */
const HIDDEN_WAKE_GAP_MS = 150_000

export interface LinkEvents extends LiveNews {
  readonly onLink: (link: Link) => void
  readonly onSession: (session: Session) => void
  readonly onSignedOut: () => void
  /** After each (re)connection and each wake: fetch a snapshot and merge it. */
  readonly onCatchUp: () => void
}

/**
 * Keeps one live connection: renews the session (and with it the bus cookie) before each attempt,
 * backs off between attempts, replaces the connection before its identity expires, and catches up
 * after sleep, since a socket of a sleeping machine looks alive long after it has died.
 */
export class LiveLink {
  readonly #ports: Ports
  readonly #events: LinkEvents
  #connection: LiveConnection | undefined
  #attempt = 0
  #retry: ReturnType<typeof setTimeout> | undefined
  #rotation: ReturnType<typeof setTimeout> | undefined
  #tick: ReturnType<typeof setInterval> | undefined
  #lastTickMs = 0
  /** Answers of an earlier generation are ignored. */
  #generation = 0
  #running = false

  constructor(ports: Ports, events: LinkEvents) {
    this.#ports = ports
    this.#events = events
  }

  start(session: Session): void {
    if (this.#running) return
    this.#running = true
    this.#lastTickMs = this.#ports.now()
    this.#tick = setInterval(this.#onTick, TICK_MS)
    document.addEventListener('visibilitychange', this.#onVisible)
    window.addEventListener('pageshow', this.#onPageShow)
    window.addEventListener('online', this.#onOnline)
    window.addEventListener('offline', this.#onOffline)
    this.#events.onLink({ kind: 'connecting' })
    void this.#open(session)
  }

  stop(): void {
    this.#running = false
    this.#generation++
    clearTimeout(this.#retry)
    clearTimeout(this.#rotation)
    clearInterval(this.#tick)
    document.removeEventListener('visibilitychange', this.#onVisible)
    window.removeEventListener('pageshow', this.#onPageShow)
    window.removeEventListener('online', this.#onOnline)
    window.removeEventListener('offline', this.#onOffline)
    this.#connection?.close()
    this.#connection = undefined
  }

  /** Tries at once, whatever the back-off says. */
  readonly retryNow = (): void => {
    if (!this.#running) return
    clearTimeout(this.#retry)
    this.#attempt = 0
    this.#events.onLink({ kind: 'connecting' })
    void this.#renewAndOpen()
  }

  async #renewAndOpen(): Promise<void> {
    const generation = ++this.#generation
    const session = await this.#ports.api.session()
    if (generation !== this.#generation) return
    if (session.ok) {
      this.#events.onSession(session.value)
      await this.#open(session.value)
      return
    }
    if (session.code === 'no_session') this.#events.onSignedOut()
    else this.#later()
  }

  async #open(session: Session): Promise<void> {
    const generation = ++this.#generation
    let connection: LiveConnection
    try {
      connection = await this.#ports.live.open(session.bus, this.#events)
    } catch {
      if (generation === this.#generation) this.#later()
      return
    }
    if (generation !== this.#generation) {
      connection.close()
      return
    }
    // The new connection is up before the old one goes, so that no event falls between.
    const old = this.#connection
    this.#connection = connection
    old?.close()
    this.#attempt = 0
    this.#events.onLink({ kind: 'live' })
    this.#events.onCatchUp()
    clearTimeout(this.#rotation)
    this.#rotation = setTimeout(() => void this.#renewAndOpen(), ROTATE_MS)
    void connection.ended.then(() => this.#onEnded(connection))
  }

  #onEnded(connection: LiveConnection): void {
    if (connection !== this.#connection) return
    this.#connection = undefined
    this.#later()
  }

  #later(): void {
    clearTimeout(this.#rotation)
    clearTimeout(this.#retry)
    const delay = reconnectDelayMs(this.#attempt++, this.#ports.chance())
    const offline = !navigator.onLine
    this.#events.onLink(
      offline ? { kind: 'offline' } : { kind: 'reconnecting', atMs: this.#ports.now() + delay },
    )
    this.#retry = setTimeout(() => void this.#renewAndOpen(), delay)
  }

  /** Time since the last look at the clock, which this is now. */
  #sinceTick(): number {
    const now = this.#ports.now()
    const gap = now - this.#lastTickMs
    this.#lastTickMs = now
    return gap
  }

  readonly #onTick = (): void => {
    const slept = this.#sinceTick() > (document.hidden ? HIDDEN_WAKE_GAP_MS : WAKE_GAP_MS)
    if (slept) this.#wake()
  }

  readonly #onVisible = (): void => {
    if (document.visibilityState !== 'visible') return
    const slept = this.#sinceTick() > HIDDEN_WAKE_GAP_MS
    if (slept || this.#connection === undefined) this.#wake()
    else this.#events.onCatchUp()
  }

  readonly #onPageShow = (event: PageTransitionEvent): void => {
    if (event.persisted) this.#wake()
  }

  readonly #onOnline = (): void => this.retryNow()

  readonly #onOffline = (): void => {
    this.#events.onLink({ kind: 'offline' })
  }

  /** After sleep the old socket is not trusted: a new one replaces it. */
  #wake(): void {
    this.retryNow()
  }
}
