/** Which way a request came in. */
export type FaceName = 'http' | 'rest' | 'mcp' | 'nats'

/** Counts what the faces did. Labels are constants of ours, never what a caller sent. */
export interface FaceMetrics {
  count(face: FaceName, outcome: string): void
}

/** Distinct (face, outcome) pairs; outcomes are stable codes, so this is never reached. */
const SERIES_MAX = 512

/** Counters in memory, and their text for Prometheus. */
export class MetricsBook implements FaceMetrics {
  readonly #counts = new Map<string, number>()
  readonly #gauges = new Map<string, () => number>()

  count(face: FaceName, outcome: string): void {
    const series = `trustgw_requests_total{face="${face}",outcome="${safeLabel(outcome)}"}`
    const known = this.#counts.get(series)
    if (known === undefined && this.#counts.size >= SERIES_MAX) return
    this.#counts.set(series, (known ?? 0) + 1)
  }

  /** `read` is called when the text is made; `name` is a metric name. */
  gauge(name: string, read: () => number): void {
    this.#gauges.set(name, read)
  }

  /** Prometheus text exposition format 0.0.4. */
  text(): string {
    const lines = ['# TYPE trustgw_requests_total counter']
    for (const [series, count] of this.#counts) lines.push(`${series} ${count}`)
    for (const [name, read] of this.#gauges) lines.push(`# TYPE ${name} gauge`, `${name} ${read()}`)
    return `${lines.join('\n')}\n`
  }
}

function safeLabel(text: string): string {
  return text.replaceAll(/[^a-z0-9_]/gi, '_').slice(0, 64)
}
