// `npm run bench -- mcp`: does all set-up, then measures governed calls beside bare ones. Judges nothing.
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

const natsServer = prepare()
const child = spawn(
  process.execPath,
  [
    join(ROOT, 'packages/testkit/dist/src/bench/main.js'),
    ...process.argv.slice(2),
    '--peer',
    ensurePeer(),
  ],
  { cwd: ROOT, stdio: 'inherit', env: { ...process.env, NATS_SERVER: natsServer } },
)
// The terminal sends Ctrl-C to the whole group; the child stops what it started and ends by itself.
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => child.kill(signal === 'SIGTERM' ? signal : 0))
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 0)))
