/** `npm run bench -- grant [--json] [--quick]`, after the set-up of scripts/bench.mjs. */
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { measureGrantParts } from './grant-parts.ts'
import { type GrantReport, printGrantReport, summarizeCalls } from './grant-report.ts'
import { measureGrantSystem } from './grant-system.ts'

const USAGE = 'npm run bench -- grant [--json] [--quick] [--pending 10,100,1000] [--nonces 20000]'

interface Asked {
  readonly json: boolean
  readonly quick: boolean
  readonly pending: readonly number[]
  readonly nonces: number
}

/** Undefined for what is no use of it. */
function asked(): Asked | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      pending: { type: 'string' },
      nonces: { type: 'string' },
    },
  })
  const { json, quick } = values
  const pending = (values.pending ?? (quick ? '10' : '10,100,1000')).split(',').map(Number)
  const nonces = Number(values.nonces ?? (quick ? '1000' : '20000'))
  const isCounts = [...pending, nonces].every((count) => Number.isSafeInteger(count) && count >= 0)
  const isNamed = positionals.length === 1 && positionals[0] === 'grant'
  return isNamed && isCounts ? { json, quick, pending, nonces } : undefined
}

function progress(text: string): void {
  process.stderr.write(`  ${text} …\n`)
}

async function main(): Promise<number> {
  const given = asked()
  if (given === undefined) {
    process.stderr.write(`trustgw: ${USAGE}\n`)
    return 2
  }
  const { json, quick, pending, nonces } = given
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => stop.abort(new Error('stopped')))
  }
  const before = loadavg()
  progress('grants and assertions')
  const parts = await measureGrantParts(quick ? 100 : 400)
  const system = await measureGrantSystem({
    in_flight: [1, 16, 64],
    limits: quick ? { calls: 100, max_ms: 1_500 } : { calls: 400, max_ms: 3_000 },
    rounds: quick ? 2 : 3,
    pending,
    nonces,
    progress,
    signal: stop.signal,
  })
  const report: GrantReport = {
    at: new Date().toISOString(),
    node: process.version,
    cpus: cpus().length,
    cpu_model: cpus()[0]?.model ?? '',
    load: { before, after: loadavg() },
    parts,
    calls: summarizeCalls(system.rows),
    peak_rss_bytes: system.peak_rss_bytes,
  }
  process.stdout.write(
    json ? `${JSON.stringify(report, null, 2)}\n` : `${printGrantReport(report)}\n`,
  )
  return report.calls.some(({ errors }) => errors > 0) ? 1 : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`trustgw: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
