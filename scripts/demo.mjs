// `npm run demo`: plays the story and the attacks by itself against a fresh system, then removes it.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { prepare, ROOT } from './lib/setup.mjs'

const natsServer = prepare()
const child = spawn(
  process.execPath,
  [join(ROOT, 'packages/testkit/dist/src/demo/main.js'), ...process.argv.slice(2)],
  { cwd: ROOT, stdio: 'inherit', env: { ...process.env, NATS_SERVER: natsServer } },
)
// The terminal sends Ctrl-C to the whole group; the demo cleans up and ends by itself.
process.on('SIGINT', () => undefined)
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 0)))
