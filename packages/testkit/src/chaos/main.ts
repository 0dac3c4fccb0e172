/** `npm run chaos [-- --refunds N --seconds S --seed K --json]`, after the set-up of scripts/chaos.mjs. */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { type ChaosReport, runChaos } from './run-chaos.ts'

const USAGE = `npm run chaos -- [--refunds N] [--seconds S] [--seed K] [--json]

  --refunds N  how many refunds are proposed, 1000 unless told otherwise
  --seconds S  for how long processes are killed, 120 unless told otherwise
  --seed K     what is killed when, as in the run that had this seed
  --json       what was found as JSON

  Exit 1 when a refund was paid twice, lost or not recorded, 2 for what is not understood.
`
const SEED_MAX = 2 ** 31

async function main(): Promise<number> {
  const options = read()
  if (options === undefined) {
    process.stderr.write(USAGE)
    return 2
  }
  if (options.help) {
    process.stdout.write(USAGE)
    return 0
  }
  const report = await runChaos({
    ...options,
    progress: (text) => process.stderr.write(`  ${text} …\n`),
  })
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : table(report))
  return report.problems.length === 0 ? 0 : 1
}

function read() {
  try {
    const { values } = parseArgs({
      options: {
        refunds: { type: 'string', default: '1000' },
        seconds: { type: 'string', default: '120' },
        seed: { type: 'string', default: String(randomInt(SEED_MAX)) },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    const { json, help } = values
    const [refunds, seconds, seed] = [values.refunds, values.seconds, values.seed].map(Number)
    if (!isCount(refunds) || !isCount(seconds) || !isCount(seed)) return undefined
    return { refunds, seconds, seed, json, help }
  } catch (error) {
    process.stderr.write(`trustgw: ${error instanceof Error ? error.message : String(error)}\n`)
    return undefined
  }
}

const isCount = (value: number | undefined): value is number =>
  value !== undefined && Number.isInteger(value) && value >= 0 && value < SEED_MAX

function row(name: string, value: unknown): string {
  return `  ${name.padEnd(22)} ${String(value)}`
}

function table(found: ChaosReport): string {
  const lines = [
    row('seed', found.seed),
    row('refunds proposed', found.refunds),
    row('accepted', found.accepted),
    row('approved by passkey', found.approved),
    row('paid by the shop', found.paid),
    ...Object.entries(found.states).map(([state, count]) => row(`ended ${state}`, count)),
    ...Object.entries(found.killed).map(([name, count]) => row(`killed ${name}`, count)),
    row('entries of the log', found.log_entries),
    row('seconds', found.seconds),
    row('problems', found.problems.length),
    ...found.problems.map((problem) => `    ${problem}`),
  ]
  return `${lines.join('\n')}\n`
}

process.exit(await main())
