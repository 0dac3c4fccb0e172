/** One signal for several, without what `AbortSignal.any` keeps alive on older Nodes. */
export interface LinkedSignal {
  readonly signal: AbortSignal
  /** Lets go of the sources. */
  readonly unlink: () => void
}

export function linkSignals(...sources: readonly AbortSignal[]): LinkedSignal {
  const controller = new AbortController()
  const abort = (): void => controller.abort()
  for (const source of sources) {
    if (source.aborted) abort()
    else source.addEventListener('abort', abort, { once: true })
  }
  const unlink = (): void => {
    for (const source of sources) source.removeEventListener('abort', abort)
  }
  return { signal: controller.signal, unlink }
}
