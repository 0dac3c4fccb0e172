/** `npm run bench -- policy [--json] [--quick]`, after the set-up of scripts/bench.mjs. */
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { measurePolicy } from './policy.ts'
import { aims, printPolicyReport } from './policy-report.ts'
import { machineTime } from './processes.ts'

const USAGE = 'npm run bench -- policy [--json] [--quick]'

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
    },
  })
  if (positionals.length !== 1 || positionals[0] !== 'policy') {
    process.stderr.write(`trustgw: ${USAGE}\n`)
    return 2
  }
  const before = { load: loadavg(), time: machineTime() }
  const bench = await measurePolicy(values.quick, (text) => process.stderr.write(`  ${text} …\n`))
  const after = { load: loadavg(), time: machineTime() }
  const busy =
    before.time === undefined || after.time === undefined
      ? null
      : (after.time.busy_us - before.time.busy_us) / (after.time.total_us - before.time.total_us)
  const machine = {
    at: new Date().toISOString(),
    node: process.version,
    cpus: cpus().length,
    cpu_model: cpus()[0]?.model ?? 'unknown',
    load_before: before.load,
    load_after: after.load,
    busy_share: busy,
  }
  const heading =
    `${machine.at}, Node ${machine.node}, ${machine.cpus} cores (${machine.cpu_model})\n` +
    `load average before ${before.load.map((one) => one.toFixed(2)).join(' ')}, ` +
    `after ${after.load.map((one) => one.toFixed(2)).join(' ')}; ` +
    `cores busy ${busy === null ? 'unknown' : `${Math.round(busy * 100)} %`} (this run uses one)`
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ ...bench, aims: aims(bench), machine }, null, 2)}\n`
      : `${printPolicyReport(bench, heading)}\n`,
  )
  return 0
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`trustgw: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
