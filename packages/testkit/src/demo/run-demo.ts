import { stripVTControlCharacters } from 'node:util'
import { openAttackWorld } from '../attack-world.ts'
import { type AttackOutcome, allAttacks, tryAttack } from '../attacks.ts'
import { PortalDriver } from '../portal-driver.ts'
import { type RunningSystem, startSystem } from '../system.ts'
import { checkEnd, checkRecord, type Played, playStory, type Stage } from './story.ts'
import type { TableRow, Teller } from './teller.ts'

export interface DemoOptions {
  readonly teller: Teller
  /** The project's cache folder, for the browser. */
  readonly cacheDir: string
  readonly chromePath: string | undefined
  readonly searchPath: string | undefined
  /** Leaves the state folder where it is. */
  readonly keep: boolean
}

export interface StepOutcome {
  readonly title: string
  readonly seen: string
  readonly ok: boolean
  readonly ms: number
}

/** What happened, for machines. */
export interface DemoReport {
  readonly ok: boolean
  readonly ms: number
  readonly steps: readonly StepOutcome[]
  readonly attacks: readonly AttackOutcome[]
  /** With `keep`: where the state lies. */
  readonly state_dir: string | null
}

/** A step that did not go as told; the story ends there. */
export class StoryFault extends Error {
  readonly code = 'story'
}

/** The hold of a call that waits for a person, shortened so that nobody waits for the demo. */
const HOLD = '2s'

/** Plays story and attacks against a fresh system. `end` stops everything, at any moment. */
export class Demo {
  readonly #options: DemoOptions
  readonly #steps: StepOutcome[] = []
  readonly #attacks: AttackOutcome[] = []
  readonly #cleanups: (() => Promise<void>)[] = []
  #ending: Promise<void> | undefined
  #stateDir: string | null = null

  constructor(options: DemoOptions) {
    this.#options = options
  }

  /** Runs to its end, whether good or bad; everything is cleaned up when it resolves. */
  async run(): Promise<DemoReport> {
    const began = performance.now()
    let whole = false
    try {
      await this.#play()
      whole = true
    } catch (error) {
      if (!(error instanceof StoryFault)) this.#failed('The demo', error, 0)
    } finally {
      await this.end()
    }
    const ok = whole && this.#attacks.every(({ stopped }) => stopped)
    return {
      ok,
      ms: Math.round(performance.now() - began),
      steps: this.#steps,
      attacks: this.#attacks,
      state_dir: this.#options.keep ? this.#stateDir : null,
    }
  }

  /** Stops processes and browser and removes what was made; idempotent. */
  end(): Promise<void> {
    this.#ending ??= this.#cleanUp()
    return this.#ending
  }

  async #play(): Promise<void> {
    const { teller } = this.#options
    teller.chapter('The story')
    const system = await this.#step('A fresh system starts', async () => {
      const started = await this.#startSystem()
      return [started, 'nats-server, gateway, host, log, executor and shop, each its own process']
    })
    const portal = await this.#step('A browser with a passkey device opens', async () => {
      const opened = await this.#openPortal()
      return [opened, opened.browserVersion]
    })
    const stage: Stage = { system, portal, step: (title, act) => this.#step(title, act) }
    const played = await playStory(stage)
    teller.chapter('The record')
    await checkRecord(stage, played)
    teller.chapter('The attacks')
    await this.#attack(system, portal, played)
    teller.line('')
    await checkEnd(stage)
  }

  async #attack(system: RunningSystem, portal: PortalDriver, played: Played): Promise<void> {
    const { teller } = this.#options
    const world = await this.#step(
      'The gateway is taken over: its bus identity, its grant key, its audit key',
      async () => {
        const opened = await openAttackWorld(system, played, () => portal.received)
        return [opened, 'control: a message with nothing wrong in it is admitted and runs once']
      },
    )
    this.#cleanups.push(() => world.gateway.close())
    teller.line('')
    for (const attack of allAttacks(world)) {
      const outcome = await tryAttack(world, attack)
      this.#attacks.push(outcome)
      teller.rows([rowOf(outcome)])
    }
  }

  async #step<T>(title: string, act: () => Promise<readonly [T, string]>): Promise<T> {
    const began = performance.now()
    try {
      const [value, seen] = await act()
      if (this.#ending !== undefined) throw new StoryFault('stopped')
      const ms = Math.round(performance.now() - began)
      this.#steps.push({ title, seen, ok: true, ms })
      this.#options.teller.step(title, ms)
      this.#options.teller.note(seen)
      return value
    } catch (error) {
      this.#failed(title, error, Math.round(performance.now() - began))
      throw new StoryFault(title, { cause: error })
    }
  }

  /** What fails because everything is being stopped is no news. */
  #failed(title: string, error: unknown, ms: number): void {
    const seen = error instanceof Error ? plain(error.message) : String(error)
    this.#steps.push({ title, seen, ok: false, ms })
    if (this.#ending === undefined) this.#options.teller.failed(title, seen)
  }

  async #startSystem(): Promise<RunningSystem> {
    const starting = startSystem({ env: { TRUSTGW_GATEWAY_HOLD: HOLD } })
    // Also when the demo is stopped while the system starts.
    this.#cleanups.push(async () => {
      const system = await starting.catch(() => undefined)
      if (system === undefined) return
      if (this.#options.keep) await system.stop()
      else await system.remove()
    })
    const system = await starting
    this.#stateDir = system.stateDir
    return system
  }

  async #openPortal(): Promise<PortalDriver> {
    const { cacheDir, chromePath, searchPath } = this.#options
    const opening = PortalDriver.open({
      cacheDir,
      ...(chromePath === undefined ? {} : { chromePath }),
      ...(searchPath === undefined ? {} : { searchPath }),
      endOnSignals: false,
    })
    this.#cleanups.push(async () => {
      await (await opening.catch(() => undefined))?.close()
    })
    return opening
  }

  async #cleanUp(): Promise<void> {
    for (let last = this.#cleanups.pop(); last !== undefined; last = this.#cleanups.pop()) {
      await last().catch(() => undefined)
    }
  }
}

/** Without the colours that a library put into its message, on one line. */
function plain(message: string): string {
  return stripVTControlCharacters(message).replaceAll(/\s+/g, ' ').trim()
}

const NAME_COLUMNS = 44

function rowOf(outcome: AttackOutcome): TableRow {
  const { name, observed, tried, check, expected, stopped } = outcome
  const by = stopped ? check : `expected ${expected}: ${check}`
  return { ok: stopped, cells: [name.padEnd(NAME_COLUMNS), observed], notes: [tried, by] }
}
