/** `npm run sim -- [--worlds N] [--from N] [--seed N] [--json]`, after the set-up of scripts/sim.mjs. */
import { parseArgs } from 'node:util'
import { runWorldsEverywhere, seedOf, serveWorlds, type Tally } from './many-worlds.ts'
import { runWorld } from './world.ts'

const USAGE = `npm run sim -- [--worlds N] [--from N] [--seed N] [--json]

  --worlds N   how many worlds, 200 unless told otherwise
  --from N     the number of the first one, 0 unless told otherwise
  --seed N     one world again, with everything that happened in it
  --json       what was found as JSON
`
const WORLDS_DEFAULT = '200'
const WORLDS_MAX = 100_000_000
const TELL_EVERY_MS = 5_000

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      worlds: { type: 'string', default: WORLDS_DEFAULT },
      from: { type: 'string', default: '0' },
      seed: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
      serve: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return 0
  }
  if (values.serve) {
    serveWorlds()
    return 0
  }
  const seed = values.seed === undefined ? undefined : numberOf(values.seed)
  const [worlds, from] = [numberOf(values.worlds), numberOf(values.from)]
  if (
    worlds === undefined ||
    from === undefined ||
    (values.seed !== undefined && seed === undefined)
  ) {
    process.stderr.write(USAGE)
    return 2
  }
  return seed === undefined
    ? await many({ worlds, from }, values.json)
    : await one(seed, values.json)
}

function numberOf(text: string): number | undefined {
  const number = Number(text)
  return /^[0-9]+$/.test(text) && number <= WORLDS_MAX ? number : undefined
}

async function one(number: number, json: boolean): Promise<number> {
  const report = await runWorld(seedOf(number), { trace: true })
  if (json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  else {
    for (const line of report.lines) process.stdout.write(`${line}\n`)
    const { digest, accepted, effects, deaths, states } = report
    process.stdout.write(`${JSON.stringify({ digest, accepted, effects, deaths, states })}\n`)
    for (const { invariant, detail } of report.findings) {
      process.stdout.write(`BROKEN ${invariant}: ${detail}\n`)
    }
  }
  return report.findings.length === 0 ? 0 : 1
}

async function many(
  range: { readonly worlds: number; readonly from: number },
  json: boolean,
): Promise<number> {
  const begun = performance.now()
  let told = begun
  let failed = 0
  const tally = await runWorldsEverywhere(range, (soFar) => {
    for (const { seed } of soFar.failures.slice(failed)) process.stderr.write(`  BROKEN: ${seed}\n`)
    failed = soFar.failures.length
    if (performance.now() - told < TELL_EVERY_MS) return
    told = performance.now()
    process.stderr.write(`  ${soFar.worlds} of ${range.worlds} worlds, ${soFar.failed} broken …\n`)
  })
  const seconds = (performance.now() - begun) / 1000
  process.stdout.write(
    json ? `${JSON.stringify({ ...tally, seconds }, null, 2)}\n` : printed(tally, seconds),
  )
  return tally.failed === 0 ? 0 : 1
}

function printed(tally: Tally, seconds: number): string {
  const { worlds, failed, events, accepted, effects, deaths, late, failures, states } = tally
  const ends = Object.entries(states)
    .toSorted(([, a], [, b]) => b - a)
    .map(([state, count]) => `${count} ${state}`)
  const lines = [
    `${worlds} worlds in ${seconds.toFixed(0)} s (${(worlds / seconds).toFixed(1)} a second), ${failed} broken`,
    `${events} events, ${deaths} deaths, ${accepted} accepted answers, ${effects} effects`,
    `actions: ${ends.join(', ')}`,
    `${late} actions that ran and ended otherwise, all where a clock was far off`,
    ...failures.flatMap(({ seed, findings }) => [
      `${seed}: npm run sim -- --seed ${seed.replace('world ', '')}`,
      ...findings.slice(0, 5).map(({ invariant, detail }) => `  ${invariant}: ${detail}`),
    ]),
  ]
  return `${lines.join('\n')}\n`
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`trustgw: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
