import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Logger } from '@trustgw/runtime'
import { LineSplitter } from './line-splitter.ts'
import { redactText } from './redact.ts'

export interface ChildCommand {
  /** `module`: a JavaScript file, run by this Node. `command`: a program with an absolute path. */
  readonly mode: 'module' | 'command'
  readonly file: string
  readonly args: readonly string[]
  /** All of the child's environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** Values that never appear in the log. */
  readonly secrets: readonly string[]
}

export interface ChildHandlers {
  /** One line of standard output, without its line feed. */
  readonly onLine: (line: Uint8Array) => void
  /** The group is gone. Called once. */
  readonly onExit: () => void
}

/** Longest line that an upstream may write. */
export const CHILD_LINE_MAX_BYTES: number = 8 * 1024 * 1024
const STDERR_LINE_MAX_BYTES = 64 * 1024
const STDERR_SHOWN_MAX_CHARS = 400
const STDERR_LINES_PER_MINUTE = 60
const STOP_GRACE_MS = 500

const GUARD = fileURLToPath(new URL('./guard.js', import.meta.url))

/**
 * A child in a process group of its own. The whole group is killed when the leader ends, when it is
 * stopped, and (by the guard) when this process dies.
 */
export class ChildGroup {
  readonly #child: ChildProcess
  readonly #handlers: ChildHandlers
  #ended = false
  readonly #gone: Promise<void>

  constructor(command: ChildCommand, handlers: ChildHandlers, logger: Logger) {
    this.#handlers = handlers
    this.#child = spawn(process.execPath, [GUARD, command.mode, command.file, ...command.args], {
      cwd: command.cwd,
      env: { ...command.env },
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
      serialization: 'json',
    })
    this.#child.channel?.unref()
    this.#readOutput()
    this.#readErrors(command.secrets, logger)
    this.#gone = new Promise((resolve) => {
      const end = (): void => {
        resolve()
        this.#end()
      }
      this.#child.once('exit', end)
      this.#child.once('error', end)
    })
  }

  /** Undefined when the process could not be started. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  /** False when the group is gone; what was written before may or may not have been read. */
  write(line: string): boolean {
    const stdin = this.#child.stdin
    if (this.#ended || stdin === null || !stdin.writable) return false
    stdin.write(`${line}\n`)
    return true
  }

  /** At once and for good. */
  kill(): void {
    this.#signalGroup('SIGKILL')
  }

  /** Closes standard input, waits a moment, then kills the group. Resolves when it is gone. */
  async stop(): Promise<void> {
    if (this.#ended) return
    this.#child.stdin?.end()
    const timer = setTimeout(() => this.kill(), STOP_GRACE_MS)
    await this.#gone
    clearTimeout(timer)
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#signalGroup('SIGKILL')
    if (this.#child.connected) this.#child.disconnect()
    this.#handlers.onExit()
  }

  #signalGroup(signal: 'SIGKILL'): void {
    const pid = this.#child.pid
    if (pid === undefined) return
    try {
      process.kill(-pid, signal)
    } catch {
      // No such group: everything in it has ended.
    }
  }

  #readOutput(): void {
    const splitter = new LineSplitter(CHILD_LINE_MAX_BYTES, this.#handlers.onLine)
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      if (!splitter.feed(chunk)) this.kill()
    })
    this.#child.stdin?.on('error', () => undefined)
    this.#child.stdout?.on('error', () => undefined)
  }

  #readErrors(secrets: readonly string[], logger: Logger): void {
    let minute = 0
    let lines = 0
    const splitter = new LineSplitter(STDERR_LINE_MAX_BYTES, (line) => {
      const now = Math.floor(performance.now() / 60_000)
      lines = now === minute ? lines + 1 : 1
      minute = now
      if (lines > STDERR_LINES_PER_MINUTE) return
      const text = redactText(Buffer.from(line).toString('utf8'), secrets)
      logger.info('connector_stderr', { text: text.slice(0, STDERR_SHOWN_MAX_CHARS) })
    })
    let readable = true
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      readable = readable && splitter.feed(chunk)
    })
    this.#child.stderr?.on('error', () => undefined)
  }
}
