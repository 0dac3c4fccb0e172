import { type ChildProcess, spawn } from 'node:child_process'
import type { NatsExit } from '@trustgw/runtime'
import { STOP_BUDGET_MS } from '../processes/service.ts'
import { RotatingLog } from './rotating-log.ts'

/** How a child stands, for the installation page and for `doctor`. */
export type ChildState = 'starting' | 'ready' | 'restarting' | 'failed' | 'stopped'

export interface ChildSpec {
  readonly name: string
  readonly script: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** A service says `{kind: "ready"}` over its channel; another program by its first line. */
  readonly readyBy: 'message' | 'line'
  /** Its diagnostic log; stdout and stderr go there. */
  readonly logFile: string
  readonly onMessage?: (message: unknown) => void
  readonly onChange: () => void
}

export interface ChildStatus {
  readonly name: string
  readonly pid: number | null
  readonly state: ChildState
  readonly started_at: number | null
  readonly restarts: number
  /** How its last process ended: `exit 0`, `SIGKILL`; null before any did. */
  readonly last_end: string | null
}

/** It ended before it was ready; `lastLines` are its own words. */
export class ChildFault extends Error {
  readonly code = 'child_failed'
  readonly lastLines: readonly string[]
  constructor(name: string, lastLines: readonly string[]) {
    super(`${name} did not start`)
    this.name = 'ChildFault'
    this.lastLines = lastLines
  }
}

const READY_TIMEOUT_MS = 20_000
/** A little more than a service gives itself. */
const STOP_TIMEOUT_MS: number = STOP_BUDGET_MS + 1_000
const RESTART_FIRST_MS = 200
const RESTART_MAX_MS = 10_000
/** A child that ran this long is restarted without delay again. */
const STEADY_MS = 30_000
const LAST_LINES = 12

const nothing = (): void => undefined

/**
 * One service process. It says `{kind: "ready"}` over its channel when it is; it ends by itself when
 * the channel closes, so it never outlives the supervisor. One that dies is started again.
 */
export class Child {
  readonly #spec: ChildSpec
  readonly #log: RotatingLog
  #process: ChildProcess | undefined
  #state: ChildState = 'starting'
  #startedAt: number | null = null
  #restarts = 0
  #lastEnd: string | null = null
  #pause = RESTART_FIRST_MS
  #lastLines: string[] = []
  #stopping = false
  #timer: NodeJS.Timeout | undefined
  #word: object | undefined

  constructor(spec: ChildSpec) {
    this.#spec = spec
    this.#log = new RotatingLog(spec.logFile)
  }

  get status(): ChildStatus {
    return {
      name: this.#spec.name,
      pid: this.#process?.pid ?? null,
      state: this.#state,
      started_at: this.#startedAt,
      restarts: this.#restarts,
      last_end: this.#lastEnd,
    }
  }

  /** Resolves when it is ready; `ChildFault` when it ends or says nothing before that. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      let settled = false
      const settle = (outcome: () => void): void => {
        if (settled) return
        settled = true
        clearTimeout(timer)
        outcome()
      }
      const timer = setTimeout(() => {
        settle(() =>
          reject(
            new ChildFault(this.#spec.name, [
              'it did not say that it is ready',
              ...this.#lastLines,
            ]),
          ),
        )
      }, READY_TIMEOUT_MS)
      this.#spawn(
        () => settle(resolve),
        () => settle(() => reject(new ChildFault(this.#spec.name, this.#lastLines))),
      )
    })
  }

  /** Over its channel, once it is ready and again after each restart; the last word counts. */
  tell(word: object): void {
    this.#word = word
    if (this.#state === 'ready') this.#say()
  }

  /** Asks it to end, insists after a while. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#stopping = true
    clearTimeout(this.#timer)
    const running = this.#process
    if (running !== undefined && running.exitCode === null && running.signalCode === null) {
      const ended = new Promise((resolve) => running.once('exit', resolve))
      running.kill('SIGTERM')
      const insist = setTimeout(() => running.kill('SIGKILL'), STOP_TIMEOUT_MS)
      await ended
      clearTimeout(insist)
    }
    this.#change('stopped')
    this.#log.end()
  }

  #say(): void {
    if (this.#word !== undefined && this.#process?.connected === true) {
      this.#process.send(this.#word, () => undefined)
    }
  }

  #spawn(onReady: () => void, onEnd: () => void): void {
    const { script, args, cwd, env } = this.#spec
    const child = spawn(process.execPath, [script, ...args], {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // A signal to the terminal's group is for the supervisor, which stops its children in order.
      detached: true,
    })
    this.#process = child
    this.#startedAt = Date.now()
    this.#lastLines = []
    const keep = (chunk: Buffer): void => {
      this.#log.write(chunk)
      this.#lastLines = [...this.#lastLines, ...chunk.toString('utf8').split('\n')]
        .filter(Boolean)
        .slice(-LAST_LINES)
    }
    const ready = (): void => {
      this.#change('ready')
      this.#say()
      onReady()
    }
    child.stdout?.on('data', keep)
    if (this.#spec.readyBy === 'line') child.stdout?.once('data', ready)
    child.stderr?.on('data', keep)
    child.on('message', (message: unknown) => {
      if (isReady(message)) ready()
      else this.#spec.onMessage?.(message)
    })
    child.on('error', () => undefined)
    child.on('exit', (code, signal) => {
      this.#lastEnd = endOf({ code, signal })
      const wasReady = this.#state === 'ready'
      if (this.#stopping) {
        onEnd()
        return
      }
      if (!wasReady && this.#restarts === 0) {
        this.#change('failed')
        onEnd()
        return
      }
      this.#restart()
    })
  }

  #restart(): void {
    const ranFor = Date.now() - (this.#startedAt ?? 0)
    this.#pause = ranFor > STEADY_MS ? RESTART_FIRST_MS : Math.min(this.#pause * 2, RESTART_MAX_MS)
    this.#restarts += 1
    this.#change('restarting')
    this.#timer = setTimeout(() => {
      this.#spawn(nothing, nothing)
    }, this.#pause)
  }

  #change(state: ChildState): void {
    this.#state = state
    this.#spec.onChange()
  }
}

/** How a process ended, in a word. */
export function endOf({ code, signal }: NatsExit): string {
  return signal ?? `exit ${code ?? 'unknown'}`
}

function isReady(message: unknown): boolean {
  return (
    typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'ready'
  )
}
