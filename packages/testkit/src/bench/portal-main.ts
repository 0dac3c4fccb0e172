/** `npm run bench -- portal [--json] [--quick]`, after the set-up of scripts/bench.mjs. */
import { cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { measurePortal } from './portal-bench.ts'
import { type PortalReport, printPortalReport } from './portal-report.ts'

const USAGE = 'npm run bench -- portal [--json] [--quick]'
const CACHE_DIR = fileURLToPath(new URL('../../../../../.cache', import.meta.url))
const FULL = { pending: 1_000, per_second: 200, seconds: 60 }
const QUICK = { pending: 100, per_second: 200, seconds: 9 }

function progress(text: string): void {
  process.stderr.write(`  ${text} …\n`)
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
    },
  })
  if (positionals.length !== 1 || positionals[0] !== 'portal') {
    process.stderr.write(`trustgw: ${USAGE}\n`)
    return 2
  }
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => stop.abort(new Error('stopped')))
  }
  const size = values.quick ? QUICK : FULL
  const before = loadavg()
  const run = await measurePortal({
    ...size,
    cacheDir: CACHE_DIR,
    progress,
    signal: stop.signal,
  })
  const report: PortalReport = {
    ...run,
    ...size,
    at: new Date().toISOString(),
    node: process.version,
    cpus: cpus().length,
    cpu_model: cpus()[0]?.model ?? '',
    load: { before, after: loadavg() },
  }
  process.stdout.write(
    values.json ? `${JSON.stringify(report, null, 2)}\n` : `${printPortalReport(report)}\n`,
  )
  return report.rows.some(({ delays, arm }) => arm !== 'approvals' && delays.missing > 0) ? 1 : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`trustgw: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
