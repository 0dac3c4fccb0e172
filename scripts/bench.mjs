// `npm run bench -- mcp|policy|grant|portal`: does all set-up, then measures. Judges nothing by an absolute time.
import { spawn, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CACHE_DIR, prepare, ROOT, refuse } from './lib/setup.mjs'

const PEER = join(ROOT, 'packages/testkit/peers/mcp-proxy')
const PEER_CACHE = join(CACHE_DIR, 'bench-mcp-proxy')
const SCRIPT = 'node_modules/mcp-proxy/dist/bin/mcp-proxy.mjs'

/**
 * The proxy to compare with, exactly as its own lock file says, and apart from the project's
 * dependencies: what it needs for tunnels would bring an install script. None is run.
 */
function ensurePeer() {
  const files = ['package.json', 'package-lock.json']
  const same = (file) =>
    existsSync(join(PEER_CACHE, file)) &&
    readFileSync(join(PEER_CACHE, file), 'utf8') === readFileSync(join(PEER, file), 'utf8')
  if (files.every(same) && existsSync(join(PEER_CACHE, SCRIPT))) return join(PEER_CACHE, SCRIPT)
  process.stderr.write('  installing mcp-proxy for comparison (once) …\n')
  mkdirSync(PEER_CACHE, { recursive: true })
  for (const file of files) copyFileSync(join(PEER, file), join(PEER_CACHE, file))
  const npm = process.env['npm_execpath']
  const [command, prefix] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []]
  const args = [
    ...prefix,
    'ci',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--workspaces=false',
  ]
  const result = spawnSync(command, args, { cwd: PEER_CACHE, encoding: 'utf8' })
  if (result.status === 0) return join(PEER_CACHE, SCRIPT)
  return refuse(`mcp-proxy could not be installed: ${result.stderr.trim().split('\n').at(-1)}`)
}

const USAGE = `npm run bench -- <name> [--json] [--quick]

  mcp      governed tool calls beside bare ones (about three minutes)
           --sync always   nats-server puts every message on disk before it acknowledges it
  policy   decisions of the policy engine beside other engines, and what comes before a decision
           (about three minutes)
  grant    grants and assertions beside their signatures alone, and calls over the bus beside the
           floor of their parts, with one and two executors (about four minutes)
           --pending 10,100,1000   with so many actions that wait for a person
           --nonces 20000          with so many grants used before
  portal   from an event to its row or card on screen with 1 000 actions that wait and 200 events a
           second, beside a bare WebSocket; first load over a slow link (about three minutes)

  --json   the figures as JSON
  --quick  fewer rounds
`

/** What each benchmark runs: its script, and what it is given besides the caller's arguments. */
const BENCHMARKS = {
  mcp: { script: 'main.js', more: () => ['--peer', ensurePeer()] },
  policy: { script: 'policy-main.js', more: () => [] },
  grant: { script: 'grant-main.js', more: () => [] },
  portal: { script: 'portal-main.js', more: () => [] },
}

const args = process.argv.slice(2)
if (args.includes('--help') || args.includes('-h')) {
  process.stdout.write(USAGE)
  process.exit(0)
}
const [name] = args
if (name === undefined || !Object.hasOwn(BENCHMARKS, name)) {
  const said = name === undefined ? 'name a benchmark' : `there is no benchmark "${name}"`
  process.stderr.write(`trustgw: ${said}\n\n${USAGE}`)
  process.exit(2)
}
const { script, more } = BENCHMARKS[name]
const natsServer = prepare()
const child = spawn(
  process.execPath,
  [join(ROOT, 'packages/testkit/dist/src/bench', script), ...args, ...more()],
  { cwd: ROOT, stdio: 'inherit', env: { ...process.env, NATS_SERVER: natsServer } },
)
// The terminal sends Ctrl-C to the whole group; the child stops what it started and ends by itself.
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => child.kill(signal === 'SIGTERM' ? signal : 0))
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 0)))
