/** `npm run bench -- mcp [--json] [--quick] [--sync always]`, after the set-up of scripts/bench.mjs. */
import { parseArgs } from 'node:util'
import { printReport } from './print-report.ts'
import { runBench } from './run-bench.ts'

const USAGE = 'npm run bench -- mcp [--json] [--quick] [--sync always]'

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      sync: { type: 'string' },
      peer: { type: 'string' },
    },
  })
  if (positionals.length !== 1 || positionals[0] !== 'mcp' || values.peer === undefined) {
    process.stderr.write(`trustgw: ${USAGE}\n`)
    return 2
  }
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => stop.abort(new Error('stopped')))
  }
  const report = await runBench({
    quick: values.quick,
    peer: values.peer,
    env: values.sync === undefined ? {} : { TRUSTGW_NATS_SYNC_INTERVAL: values.sync },
    progress: (text) => process.stderr.write(`  ${text} …\n`),
    signal: stop.signal,
  })
  process.stdout.write(
    values.json ? `${JSON.stringify(report, null, 2)}\n` : `${printReport(report)}\n`,
  )
  return report.rows.some((row) => row.errors > 0) ? 1 : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`trustgw: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
