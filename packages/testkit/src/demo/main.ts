import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Demo, type DemoReport } from './run-demo.ts'
import { silentTeller, type Teller, terminalTeller } from './teller.ts'

// dist/src/demo/ → packages/testkit → the project's root
const CACHE_DIR = fileURLToPath(new URL('../../../../../.cache', import.meta.url))
const USAGE = 'usage: npm run demo -- [--json] [--keep]'
const COLUMNS = 100
const EXIT_FAILED = 1
const EXIT_USAGE = 2
const EXIT_INTERRUPTED = 130

interface Flags {
  readonly json: boolean
  readonly keep: boolean
}

function readFlags(): Flags | undefined {
  try {
    const { values } = parseArgs({
      options: { json: { type: 'boolean' }, keep: { type: 'boolean' } },
    })
    return { json: values.json === true, keep: values.keep === true }
  } catch {
    return undefined
  }
}

function write(line: string): void {
  process.stdout.write(`${line}\n`)
}

function openTeller(): Teller {
  const { NO_COLOR, FORCE_COLOR } = process.env
  const color = FORCE_COLOR === undefined ? process.stdout.isTTY && NO_COLOR === undefined : true
  return terminalTeller({ write, color, columns: process.stdout.columns ?? COLUMNS })
}

function conclude(report: DemoReport, teller: Teller): void {
  const stopped = report.attacks.filter((attack) => attack.stopped).length
  const seconds = (report.ms / 1000).toFixed(0)
  teller.line('')
  teller.line(
    report.ok
      ? `${stopped} of ${report.attacks.length} attacks were stopped by the check that should stop them. ${seconds} s.`
      : `The demo failed; ${stopped} of ${report.attacks.length} attacks that were tried were stopped as they should be. ${seconds} s.`,
  )
  teller.line(
    report.state_dir === null
      ? 'Everything is stopped and removed.'
      : `Everything is stopped. The state was kept in ${report.state_dir}`,
  )
  teller.line('')
}

async function main(): Promise<number> {
  const flags = readFlags()
  if (flags === undefined) {
    process.stderr.write(`${USAGE}\n`)
    return EXIT_USAGE
  }
  const teller = flags.json ? silentTeller : openTeller()
  const demo = new Demo({
    teller,
    cacheDir: CACHE_DIR,
    chromePath: process.env['CHROME_PATH'],
    searchPath: process.env['PATH'],
    keep: flags.keep,
  })
  const interrupt = (): void => {
    teller.line('Stopping: every process ends and every folder goes …')
    void demo.end().then(() => process.exit(EXIT_INTERRUPTED))
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, interrupt)
  teller.line('')
  teller.line('Trust Gateway: a governed call, end to end, on real parts')
  const report = await demo.run()
  if (flags.json) write(JSON.stringify(report, null, 2))
  else conclude(report, teller)
  return report.ok ? 0 : EXIT_FAILED
}

process.exitCode = await main()
