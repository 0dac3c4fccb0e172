import { dirname } from 'node:path'
import { type Disk, type DiskHandle, nodeDisk } from './disk.ts'
import { FileFault, SECRET_FILE_MODE, syncDirectory } from './private-file.ts'

interface Waiting {
  readonly line: string
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/**
 * An append-only file of lines. `append` resolves when the line is on disk (`fdatasync`); lines that
 * come while a sync runs share the next one. Lines of one process keep the order of the calls.
 * After a failed write nothing more is accepted, since the file's tail is unknown: reopen it.
 * A crash may leave a last line without its newline: the reader drops it, and `open` ends it.
 */
export class SyncedAppender {
  readonly #file: string
  readonly #handle: DiskHandle
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined
  #closed = false
  #broken: FileFault | undefined

  private constructor(file: string, handle: DiskHandle) {
    this.#file = file
    this.#handle = handle
  }

  /** Opens or creates (mode 600) the file. Throws `FileFault` `file_unwritable`. */
  static async open(file: string, disk: Disk = nodeDisk): Promise<SyncedAppender> {
    try {
      const handle = await disk.open(file, 'a+', SECRET_FILE_MODE)
      await endTornLine(handle)
      await syncDirectory(dirname(file), disk)
      return new SyncedAppender(file, handle)
    } catch (error) {
      throw new FileFault('file_unwritable', file, { cause: error })
    }
  }

  /** Adds `line` and a newline; `TypeError` when it holds one. Throws `FileFault` when not on disk. */
  async append(line: string): Promise<void> {
    if (line.includes('\n')) throw new TypeError('one line only')
    if (this.#broken !== undefined) throw this.#broken
    if (this.#closed) throw new FileFault('file_unwritable', this.#file)
    const stored = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ line, resolve, reject })
    })
    this.#running ??= this.#flush()
    await stored
  }

  /** Writes what waits and closes. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#running
    await this.#handle.close()
  }

  async #flush(): Promise<void> {
    // One turn later, so that lines appended together are synced together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      try {
        await this.#write(batch)
        for (const { resolve } of batch) resolve()
      } catch (error) {
        this.#break(batch, error)
      }
    }
    this.#running = undefined
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken
    await this.#handle.appendFile(batch.map(({ line }) => `${line}\n`).join(''))
    await this.#handle.datasync()
  }

  #break(batch: readonly Waiting[], error: unknown): void {
    this.#broken ??= new FileFault('file_unwritable', this.#file, { cause: error })
    for (const { reject } of batch) reject(this.#broken)
  }
}

const NEWLINE = 0x0a

/** Parts the next line from what a crash left. */
async function endTornLine(handle: DiskHandle): Promise<void> {
  const { size } = await handle.stat()
  if (size === 0) return
  const last = Buffer.alloc(1)
  await handle.read(last, 0, 1, size - 1)
  if (last[0] !== NEWLINE) await handle.appendFile('\n')
}
