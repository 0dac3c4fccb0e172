// `npm run mutation -- policy`: does all set-up, changes the code of an area in thousands of small ways, in a
// copy, and tells which changes no fast test notices. Exit 1 when too many live.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Stryker } from '@stryker-mutator/core'
import { CACHE_DIR, prepare, ROOT, refuse } from './lib/setup.mjs'
import { printed, summarize } from './mutation/summary.mjs'

const SCORE_MIN = 95
/** For one mutant, beside the time that its tests take without it. */
const TIMEOUT_MS = 5_000
const AREAS = {
  policy: {
    /** As other packages import it. */
    name: '@trustgw/core',
    folder: 'packages/core',
    index: 'src/index.ts',
    mutate: 'src/policy',
    tests: 'test/policy',
    /** What tests read beside it. */
    data: ['vectors/policy', 'spec/policy.schema.json', 'examples/policies'],
    /** What is not of this code, or tries everything. */
    leftOut: String.raw`^packs\.|\.(?:long|exhaustive)\.`,
  },
}
const HELP = `npm run mutation -- AREA [--files a.ts,b.ts] [--concurrency N] [--json]
  AREA: ${Object.keys(AREAS).join(', ')}
  Mutants that live on purpose stand, with the reason, in the area's survivors.json; they count as living.
  Exit 1 below ${SCORE_MIN} %, or when a survivor stands there that is dead.
`

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        files: { type: 'string' },
        concurrency: { type: 'string', default: String(availableParallelism()) },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    return { ...values, area: positionals[0], isUsage: positionals.length !== 1 }
  } catch {
    return { isUsage: true }
  }
}

const given = readArguments()
if (given.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
const concurrency = Number(given.concurrency)
if (given.isUsage || !Object.hasOwn(AREAS, given.area) || !(concurrency >= 1)) {
  process.stderr.write(HELP)
  process.exit(2)
}
const area = AREAS[given.area]
const sources = readdirSync(join(ROOT, area.folder, area.mutate)).filter((name) =>
  name.endsWith('.ts'),
)
const files = given.files?.split(',') ?? sources
const unknown = files.filter((name) => !sources.includes(name))
if (unknown.length > 0) refuse(`${area.folder}/${area.mutate} has no ${unknown.join(', ')}`)

prepare()
process.chdir(ROOT)
const scratch = mkdtempSync(join(tmpdir(), 'trustgw-mutation-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

const started = Date.now()
const results = await new Stryker({
  mutate: files.map((name) => `${area.folder}/${area.mutate}/${name}`),
  ignorePatterns: [
    '**',
    ...['src', 'test'].map((folder) => `!${area.folder}/${folder}/**`),
    ...area.data.flatMap((path) => [`!${path}`, `!${path}/**`]),
  ],
  tempDirName: scratch,
  cleanTempDir: 'always',
  symlinkNodeModules: false,
  testRunner: 'in-process',
  plugins: [fileURLToPath(new URL('mutation/runner.mjs', import.meta.url))],
  reporters: ['lines'],
  coverageAnalysis: 'perTest',
  timeoutMS: TIMEOUT_MS,
  timeoutFactor: 1,
  concurrency: Math.floor(concurrency),
  logLevel: 'error',
  warnings: { unknownOptions: false, slow: false },
  // For the runner, which lives in processes of its own.
  mutation: area,
}).runMutationTest()

const argued = JSON.parse(
  readFileSync(join(ROOT, area.folder, area.tests, 'survivors.json'), 'utf8'),
).filter(({ file }) => files.includes(file))
const mutants = results.map(({ fileName, location, mutatorName, replacement, status }) => ({
  path: `${area.folder}/${area.mutate}/${basename(fileName)}`,
  text: readFileSync(join(ROOT, area.folder, area.mutate, basename(fileName)), 'utf8'),
  location,
  mutator: mutatorName,
  replacement: replacement ?? '',
  status,
}))
const summary = {
  area: given.area,
  minutes: Math.round((Date.now() - started) / 6_000) / 10,
  ...summarize(mutants, argued),
}
const written = `${JSON.stringify(summary, null, 2)}\n`
mkdirSync(join(CACHE_DIR, 'mutation'), { recursive: true })
writeFileSync(join(CACHE_DIR, 'mutation', `${given.area}.json`), written)
process.stdout.write(given.json ? written : printed(summary, SCORE_MIN))
process.exit(summary.total.score >= SCORE_MIN && summary.stale.length === 0 ? 0 : 1)
