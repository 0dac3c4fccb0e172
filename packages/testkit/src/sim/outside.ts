import type { Outside } from './loop.ts'

let running = 0

/**
 * Counts the work that WebCrypto has in hand, so that a world waits for it: the host's library checks
 * passkeys with it, and its threads end when they like.
 */
export function watchWebCrypto(): Outside {
  const { subtle } = globalThis.crypto
  if (!watched) {
    watched = true
    const { verify, importKey, digest } = subtle
    subtle.verify = (...given) => counted(verify.apply(subtle, given))
    subtle.digest = (...given) => counted(digest.apply(subtle, given))
    const tracked = (...given: Parameters<typeof importKey>): ReturnType<typeof importKey> =>
      counted(importKey.apply(subtle, given))
    Object.defineProperty(subtle, 'importKey', { value: tracked })
  }
  return {
    get busy() {
      return running > 0
    },
  }
}

let watched = false

async function counted<T>(work: Promise<T>): Promise<T> {
  running += 1
  try {
    return await work
  } finally {
    running -= 1
  }
}
