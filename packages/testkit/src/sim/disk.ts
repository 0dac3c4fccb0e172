import { dirname } from 'node:path'
import type { Disk, DiskHandle } from '@trustgw/runtime'
import type { Chance } from './chance.ts'
import type { Faults } from './faults.ts'
import type { Life } from './life.ts'

/** A file's content: as the process sees it, and as a crash would leave it at worst. */
interface Content {
  now: Buffer
  synced: Buffer
}

class DiskError extends Error {
  readonly code: string
  constructor(code: string, path: string) {
    super(`${code}: ${path}`)
    this.code = code
  }
}

const OWNER_ONLY = 0o600
const OWN_USER = process.geteuid?.() ?? 0

/**
 * A process's own disk; outlives its runs. A crash loses what was not synced: of an appended tail any
 * part may be there, and of names that were changed since their folder was synced either one.
 */
export class SimDisk {
  #names = new Map<string, Content>()
  #syncedNames = new Map<string, Content>()
  readonly #faults: Faults

  constructor(faults: Faults) {
    this.#faults = faults
  }

  /** The file as it is now, if there is one. */
  text(path: string): string | undefined {
    return this.#names.get(path)?.now.toString()
  }

  /** What one run of the process does with it; ends with the run. */
  mount(life: Life): Disk {
    // The process's number is part of the name of a temporary file, and no part of the world.
    const step = <T>(what: string, task: () => T): Promise<T> =>
      this.#step(life, what.replace(/\.[0-9]+\.[0-9]+\.tmp$/, '.tmp'), task)
    return {
      open: async (path, flags) => {
        await step(`opens ${path}`, () => this.#open(path, flags))
        return this.#handle(path, step)
      },
      rename: (from, to) =>
        step(`renames ${from}`, () => {
          this.#names.set(to, this.#found(from))
          this.#names.delete(from)
        }),
      unlink: (path) =>
        step(`unlinks ${path}`, () => {
          this.#names.delete(path)
        }),
      mkdir: () => step('makes a folder', () => undefined),
    }
  }

  /** The machine stopped: what is left. */
  crash(chance: Chance): void {
    const left = new Map<string, Content>()
    const paths = new Set([...this.#names.keys(), ...this.#syncedNames.keys()])
    for (const path of paths) {
      const [before, after] = [this.#syncedNames.get(path), this.#names.get(path)]
      const content = before === after || chance.happens(0.5) ? after : before
      if (content !== undefined) left.set(path, content)
    }
    for (const content of new Set(left.values())) {
      content.now = remains(content, chance)
      content.synced = content.now
    }
    this.#names = left
    this.#syncedNames = new Map(left)
  }

  #step<T>(life: Life, what: string, task: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      life.wake(this.#faults.chance.between(0.05, 0.6), what, () => {
        if (this.#faults.chance.happens(this.#faults.plan.disk)) {
          reject(new DiskError('EIO', what))
          return
        }
        try {
          resolve(task())
        } catch (error) {
          reject(error instanceof Error ? error : new DiskError('EIO', what))
        }
      })
    })
  }

  #open(path: string, flags: string | number): void {
    const isThere = this.#names.has(path)
    if (flags === 'wx' && isThere) throw new DiskError('EEXIST', path)
    if (isThere) return
    if (flags === 'wx' || flags === 'a+') {
      this.#names.set(path, { now: Buffer.alloc(0), synced: Buffer.alloc(0) })
      return
    }
    // A folder is whatever holds a file; one without any is opened all the same to be synced.
    if (/\.[a-z]+$/.test(path)) throw new DiskError('ENOENT', path)
  }

  #found(path: string): Content {
    const content = this.#names.get(path)
    if (content === undefined) throw new DiskError('ENOENT', path)
    return content
  }

  #handle(path: string, step: <T>(what: string, task: () => T) => Promise<T>): DiskHandle {
    const content = this.#names.get(path)
    const own = (): Content => {
      if (content === undefined) throw new DiskError('EISDIR', path)
      return content
    }
    const write = (what: string, next: () => Buffer): Promise<void> =>
      step(`${what} ${path}`, () => {
        own().now = next()
      })
    const sync = (): Promise<void> =>
      step(`syncs ${path}`, () => {
        if (content === undefined) this.#syncNames(path)
        else content.synced = content.now
      })
    return {
      stat: () =>
        step(`looks at ${path}`, () => ({
          mode: OWNER_ONLY,
          uid: OWN_USER,
          size: own().now.length,
          isFile: () => true,
        })),
      chmod: () => step(`chmods ${path}`, () => undefined),
      read: (buffer, offset, length, position) =>
        step(`reads ${path}`, () => {
          buffer.set(own().now.subarray(position, position + length), offset)
        }),
      readFile: () => step(`reads ${path}`, () => new Uint8Array(own().now)),
      appendFile: (data) =>
        write('appends to', () => Buffer.concat([own().now, Buffer.from(data)])),
      writeFile: (data) => write('writes', () => Buffer.from(data)),
      sync,
      datasync: sync,
      close: () => step(`closes ${path}`, () => undefined),
    }
  }

  #syncNames(folder: string): void {
    const isIn = (path: string): boolean => dirname(path) === folder
    for (const path of this.#syncedNames.keys()) if (isIn(path)) this.#syncedNames.delete(path)
    for (const [path, content] of this.#names) if (isIn(path)) this.#syncedNames.set(path, content)
  }
}

function remains({ now, synced }: Content, chance: Chance): Buffer {
  if (now === synced || now.equals(synced)) return synced
  const isAppended = now.length >= synced.length && now.subarray(0, synced.length).equals(synced)
  if (!isAppended) return chance.happens(0.5) ? now : synced
  return now.subarray(0, synced.length + chance.below(now.length - synced.length + 1))
}
