import { createHash } from 'node:crypto'

interface Entry {
  readonly at: number
  /** Among those of one moment the order in which they were made. */
  readonly order: number
  readonly label: string
  run: (() => void) | undefined
}

/** Work of the platform that no event of ours ends: WebCrypto runs in threads. */
export interface Outside {
  readonly busy: boolean
}

/**
 * Everything that happens in a world, one event after the other in virtual time. Between two events
 * all promises come to rest, so nothing but the row of events decides what happens.
 */
export class Loop {
  /** Milliseconds since the world began. */
  now = 0
  events = 0
  /** What happened, in words; kept only when asked for. */
  readonly lines: string[] | undefined
  readonly #heap: Entry[] = []
  readonly #hash = createHash('sha256')
  readonly #outside: Outside
  #order = 0

  constructor(outside: Outside, keepLines: boolean) {
    this.#outside = outside
    this.lines = keepLines ? [] : undefined
  }

  /** Runs later; the returned function cancels that. */
  after(ms: number, label: string, run: () => void): () => void {
    this.#order += 1
    const entry: Entry = { at: this.now + Math.max(0, ms), order: this.#order, label, run }
    push(this.#heap, entry)
    return () => {
      entry.run = undefined
    }
  }

  /** Says what happens at this moment, for the trace. */
  say(line: string): void {
    const text = `${this.now.toFixed(3)} ${line}`
    this.#hash.update(text).update('\n')
    this.lines?.push(text)
  }

  /** Goes on until `done`, until nothing is left or until the time is over. */
  async run(end: number, done: () => boolean): Promise<void> {
    while (!done()) {
      const entry = pop(this.#heap)
      if (entry === undefined) return
      if (entry.run === undefined) continue
      if (entry.at > end) {
        push(this.#heap, entry)
        this.now = end
        return
      }
      this.now = entry.at
      this.events += 1
      this.say(entry.label)
      entry.run()
      await this.rest()
    }
  }

  /** Lets every promise that can go on without an event do so. */
  async rest(): Promise<void> {
    do await turn()
    while (this.#outside.busy || process.getActiveResourcesInfo().includes('Immediate'))
  }

  /** Hash of everything that happened; ends the trace. */
  digest(): string {
    return this.#hash.digest('hex')
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

function push(heap: Entry[], entry: Entry): void {
  let at = heap.length
  heap.push(entry)
  while (at > 0) {
    const above = (at - 1) >> 1
    const parent = heap[above]
    if (parent === undefined || !isBefore(entry, parent)) break
    heap[at] = parent
    at = above
  }
  heap[at] = entry
}

function pop(heap: Entry[]): Entry | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (first === undefined || last === undefined || heap.length === 0) return first
  let at = 0
  for (;;) {
    const left = at * 2 + 1
    let child = heap[left]
    if (child === undefined) break
    let next = left
    const right = heap[left + 1]
    if (right !== undefined && isBefore(right, child)) {
      child = right
      next = left + 1
    }
    if (!isBefore(child, last)) break
    heap[at] = child
    at = next
  }
  heap[at] = last
  return first
}
