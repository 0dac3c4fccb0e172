import type { Outside } from './loop.ts'

let running = 0

/**
 * Counts the work that WebCrypto has in hand, so that a world waits for it: the host's library checks
 * passkeys with it, and its threads end when they like.
 */
export function watchWebCrypto(): Outside {
  if (!watched) {
    watched = true
    for (const name of ['verify', 'importKey', 'digest'] as const) watch(name)
  }
  return {
    get busy() {
      return running > 0
    },
  }
}

let watched = false

function watch(name: 'verify' | 'importKey' | 'digest'): void {
  const { subtle } = globalThis.crypto
  const real: unknown = subtle[name]
  if (typeof real !== 'function') throw new TypeError(name)
  const value = (...given: readonly unknown[]): Promise<unknown> =>
    counted(Promise.resolve(Reflect.apply(real, subtle, given)))
  Object.defineProperty(subtle, name, { value })
}

async function counted<T>(work: Promise<T>): Promise<T> {
  running += 1
  try {
    return await work
  } finally {
    running -= 1
  }
}
