// `npm run mutation -- policy`: does all set-up, changes the code of an area in thousands of small ways, in a
// copy, and tells which changes no fast test notices. Exit 1 when too many live.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
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
/** What the tests of all parts import from elsewhere. */
const GIVEN = ['node:assert/strict', 'node:crypto', 'node:fs', 'node:path', '@trustgw/protocol']
const GIVEN_TO_EXECUTORS = [
  ...['@trustgw/core', '@trustgw/runtime', '@trustgw/testkit/seal-policy'],
  ...['@trustgw/testkit/software-authenticator', 'smol-toml', 'node:child_process', 'node:url'],
  ...['node:fs/promises', 'node:http', 'node:net', 'node:os', 'node:readline', 'node:https'],
]
const AREAS = {
  policy: [
    {
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
      given: [...GIVEN, 're2js', 'smol-toml'],
    },
  ],
  grant: [
    {
      name: '@trustgw/protocol',
      folder: 'packages/protocol',
      index: 'src/index.ts',
      mutate: 'src',
      /** Of that folder; absent: all. */
      files: ['grant', 'jws', 'statement', 'approval', 'granted-action', 'approvers'],
      tests: 'test',
      data: ['vectors'],
      leftOut: String.raw`^(?!(?:jws|approvers|wire-schemas|documents)\.)`,
      given: GIVEN,
    },
    {
      name: '@trustgw/core',
      folder: 'packages/core',
      index: 'src/index.ts',
      mutate: 'src/lifecycle',
      tests: 'test/lifecycle',
      data: ['vectors/lifecycle'],
      /** Cases of each property: walks come nowhere with the few that others need. */
      propertyRuns: 5_000,
      leftOut: String.raw`\.(?:long|exhaustive)\.`,
      given: [...GIVEN, 're2js', 'smol-toml'],
    },
    {
      name: '@trustgw/executor',
      folder: 'packages/executor',
      index: 'src/index.ts',
      mutate: 'src/admit',
      tests: 'test',
      data: ['vectors', 'examples/connectors'],
      leftOut: String.raw`^(?!(?:admission|admission-details|admission-policy|beat|cbor-map|claim-action|claims|cose-key|freezes|open-claims|precondition|reasons|refuse-unmet|stage|tool-index|vectors|hostile-vectors)\.)`,
      given: [...GIVEN, ...GIVEN_TO_EXECUTORS],
    },
    {
      name: '@trustgw/gateway',
      folder: 'packages/gateway',
      index: 'src/index.ts',
      mutate: 'src/grant',
      tests: 'test',
      data: [],
      leftOut: String.raw`^(?!grant(?:-[a-z-]+)?\.)`,
      given: [
        ...GIVEN,
        ...GIVEN_TO_EXECUTORS,
        '@modelcontextprotocol/server',
        '@trustgw/testkit/key-sets',
        'node:timers/promises',
      ],
    },
  ],
}
const HELP = `npm run mutation -- AREA [--package NAME] [--files a.ts,b.ts] [--concurrency N] [--json]
  AREA: ${Object.keys(AREAS).join(', ')}
  NAME: of the area's packages, the one to change: protocol, core, ...
  Mutants that live on purpose stand, with the reason, in the package's survivors.json; they count as living.
  Exit 1 below ${SCORE_MIN} %, or when a survivor stands there that is dead.
`

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        files: { type: 'string' },
        package: { type: 'string' },
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
/** @param {object} part a package of the area; gives the names of the files to change */
function filesOf(part) {
  const there = readdirSync(join(ROOT, part.folder, part.mutate)).filter((name) =>
    name.endsWith('.ts'),
  )
  const own = part.files?.map((name) => `${name}.ts`) ?? there
  return given.files === undefined
    ? own
    : own.filter((name) => given.files.split(',').includes(name))
}

const parts = AREAS[given.area]
  .filter(({ folder }) => given.package === undefined || folder === `packages/${given.package}`)
  .map((part) => ({ part, files: filesOf(part) }))
  .filter(({ files }) => files.length > 0)
if (parts.length === 0) refuse(`${given.area} has no such package or file`)
const known = parts.flatMap(({ files }) => files)
const unknown = given.files?.split(',').filter((name) => !known.includes(name)) ?? []
if (unknown.length > 0) refuse(`${given.area} has no ${unknown.join(', ')}`)

prepare()
process.chdir(ROOT)
const scratch = mkdtempSync(join(tmpdir(), 'trustgw-mutation-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

/** The mutants of a package and those of its survivors that are meant to live. */
async function run({ part, files }) {
  const results = await new Stryker({
    mutate: files.map((name) => `${part.folder}/${part.mutate}/${name}`),
    ignorePatterns: [
      '**',
      ...['src', 'test'].map((folder) => `!${part.folder}/${folder}/**`),
      ...part.data.flatMap((path) => [`!${path}`, `!${path}/**`]),
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
    mutation: part,
  }).runMutationTest()
  const mutants = results.map(({ fileName, location, mutatorName, replacement, status }) => ({
    path: `${part.folder}/${part.mutate}/${basename(fileName)}`,
    text: readFileSync(join(ROOT, part.folder, part.mutate, basename(fileName)), 'utf8'),
    location,
    mutator: mutatorName,
    replacement: replacement ?? '',
    status,
  }))
  const file = join(ROOT, part.folder, part.tests, 'survivors.json')
  const argued = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []
  return { mutants, argued: argued.filter((one) => files.includes(one.file)) }
}

const started = Date.now()
const runs = []
for (const part of parts) runs.push(await run(part))
const summary = {
  area: given.area,
  minutes: Math.round((Date.now() - started) / 6_000) / 10,
  ...summarize(
    runs.flatMap(({ mutants }) => mutants),
    runs.flatMap(({ argued }) => argued),
  ),
}
const written = `${JSON.stringify(summary, null, 2)}\n`
mkdirSync(join(CACHE_DIR, 'mutation'), { recursive: true })
writeFileSync(join(CACHE_DIR, 'mutation', `${given.area}.json`), written)
process.stdout.write(given.json ? written : printed(summary, SCORE_MIN))
process.exit(summary.total.score >= SCORE_MIN && summary.stale.length === 0 ? 0 : 1)
