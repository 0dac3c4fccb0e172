// `npm run chaos`: refunds under way at a real installation while its processes are killed.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { prepare, ROOT } from './lib/setup.mjs'

const natsServer = prepare()
const child = spawn(
  process.execPath,
  [join(ROOT, 'packages/testkit/dist/src/chaos/main.js'), ...process.argv.slice(2)],
  { cwd: ROOT, stdio: 'inherit', env: { ...process.env, NATS_SERVER: natsServer } },
)
// The terminal sends Ctrl-C to the whole group; the run cleans up and ends by itself.
process.on('SIGINT', () => undefined)
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 0)))
