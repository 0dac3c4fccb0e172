interface Timer {
  readonly at: number
  readonly every: number | undefined
  readonly run: () => void
}

/** What the portal takes from a browser outside its ports, with a clock that stands until it is moved. */
export interface BrowserClock {
  readonly document: EventTarget
  readonly window: EventTarget
  readonly now: () => number
  /** Lets time pass, timer by timer, and all that follows from each. */
  readonly run: (ms: number) => Promise<void>
  /** Lets time pass with no timer running. */
  readonly sleep: (ms: number) => void
  readonly restore: () => void
}

export function browserClock(): BrowserClock {
  const timers = new Map<number, Timer>()
  let now = 1_000_000
  let count = 0
  const add = (run: () => void, ms: number, every?: number): number => {
    timers.set(++count, { at: now + ms, every, run })
    return count
  }
  const clear = (id: number | undefined): void => void timers.delete(id ?? 0)
  const document = Object.assign(new EventTarget(), { hidden: false, visibilityState: 'visible' })
  const window = new EventTarget()
  const restore = stub({
    document,
    window,
    navigator: { onLine: true },
    setTimeout: add,
    clearTimeout: clear,
    setInterval: (run: () => void, ms: number) => add(run, ms, ms),
    clearInterval: clear,
    requestAnimationFrame: (run: () => void) => add(run, 16),
  })
  const next = (until: number): [number, Timer] | undefined =>
    [...timers].filter(([, { at }]) => at <= until).sort(([, a], [, b]) => a.at - b.at)[0]
  const run = async (ms: number): Promise<void> => {
    const until = now + ms
    await followed()
    for (let due = next(until); due !== undefined; due = next(until)) {
      const [id, timer] = due
      now = Math.max(now, timer.at)
      if (timer.every === undefined) timers.delete(id)
      else timers.set(id, { ...timer, at: now + timer.every })
      timer.run()
      await followed()
    }
    now = Math.max(now, until)
  }
  const sleep = (ms: number): void => {
    now += ms
  }
  return { document, window, now: () => now, run, sleep, restore }
}

/** All promises that can settle now have. */
async function followed(): Promise<void> {
  for (let count = 0; count < 20; count += 1) await Promise.resolve()
}

function stub(values: Readonly<Record<string, unknown>>): () => void {
  const before = Object.keys(values).map(
    (name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const,
  )
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
  }
  return () => {
    for (const [name, known] of before) {
      if (known === undefined) Reflect.deleteProperty(globalThis, name)
      else Object.defineProperty(globalThis, name, known)
    }
  }
}
