/** `npm run chaos [-- --refunds N --seconds S --seed K --json]`, after the set-up of scripts/chaos.mjs. */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { type ChaosReport, runChaos } from './run-chaos.ts'

const REFUNDS = '1000'
const SECONDS = '120'
const SEED_MAX = 2 ** 31

const { values } = parseArgs({
  options: {
    refunds: { type: 'string', default: REFUNDS },
    seconds: { type: 'string', default: SECONDS },
    seed: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})

const report = await runChaos({
  refunds: Number(values.refunds),
  seconds: Number(values.seconds),
  seed: values.seed === undefined ? randomInt(SEED_MAX) : Number(values.seed),
  progress: (text) => process.stderr.write(`  ${text} …\n`),
})
process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : table(report))
process.exit(report.problems.length === 0 ? 0 : 1)

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
