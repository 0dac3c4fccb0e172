// `npm test`: does all its set-up, then runs every test. `npm run test:long` adds what does not fit ten minutes.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { prepare, ROOT } from './lib/setup.mjs'

const RUNNER = join(ROOT, 'scripts/lib/run-test-files.mjs')
const PAGE_BUILDER = join(ROOT, 'packages/portal/dist/test/double/build-page.js')
/** More files than processors: the longest of them mostly wait for processes of theirs. */
const AT_ONCE = Math.min(availableParallelism() + 2, 8)
const long = process.argv.includes('--long')
/** The Node that runs the tests; what they run on stays prepared by this one. */
const node =
  process.argv.find((argument) => argument.startsWith('--node='))?.slice('--node='.length) ??
  process.execPath
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))

/**
 * The files that take longest, longest first: begun first, none of them is left to run alone at the
 * end. A name that is missing here costs time, nothing else.
 */
const LONGEST = [
  'clients-mcp',
  'e2e-stop',
  'e2e-cluster',
  'e2e-resume',
  'chaos',
  'e2e-keys',
  'portal-real',
  'policy-page',
  'hostile-texts',
  'e2e-cli',
  'e2e-story',
  'e2e-bad-input',
  'emergency-real',
  'clients-guide',
  'approvers-real',
  'account-real',
  'approvals-real',
  'e2e-freeze',
  'e2e-policy',
  'sim-worlds',
  'outcome',
  'life',
  'diff',
  'portal-policy',
  'preconditions',
  'parties-gateway',
  'faces-http',
  'portal-page',
  'sim-guards',
  'command-line',
  'stdio-connector',
  'large-log',
  'crashes',
  'emergency-page',
  'nats-injection',
  'decisions',
  'properties',
  'clients-pages',
  'card-page',
  'parties-provisioning',
  'parties-host',
]
const rank = (file) => {
  const at = LONGEST.indexOf(basename(file, '.test.js'))
  return at === -1 ? LONGEST.length : at
}

const natsServer = prepare()
const testFiles = ['packages', 'examples']
  .flatMap((folder) =>
    readdirSync(join(ROOT, folder)).map((name) => join(ROOT, folder, name, 'dist/test')),
  )
  .filter((folder) => existsSync(folder))
  .flatMap((folder) => readdirSync(folder, { recursive: true }).map((name) => join(folder, name)))
  .filter((file) => file.endsWith('.test.js') && (long || !file.endsWith('.long.test.js')))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))

if (testFiles.length === 0) {
  process.stderr.write('trustgw: no test file was found; is the build complete?\n')
  process.exit(1)
}
/** Built once for all files that open it: `PORTAL_DOUBLE_PAGE`. */
const page = testFiles.some((file) => file.startsWith(join(ROOT, 'packages/portal')))
  ? await (await import(PAGE_BUILDER)).buildPage()
  : undefined
const child = spawn(node, [RUNNER, String(AT_ONCE), ...testFiles], {
  cwd: ROOT,
  stdio: 'inherit',
  env: {
    ...process.env,
    NATS_SERVER: natsServer,
    ...(page === undefined ? {} : { PORTAL_DOUBLE_PAGE: page.root }),
  },
})
child.on('exit', async (code) => {
  await page?.remove()
  process.exit(code ?? 1)
})
