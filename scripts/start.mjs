// `npm start`: installs and builds what is missing, then starts the whole system in development mode.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { prepare, ROOT } from './lib/setup.mjs'

const natsServer = prepare({ tests: false })
const child = spawn(
  process.execPath,
  [join(ROOT, 'packages/cli/dist/src/main.js'), 'up', ...process.argv.slice(2)],
  {
    cwd: ROOT,
    stdio: 'inherit',
    env: { TRUSTGW_MODE: 'development', ...process.env, NATS_SERVER: natsServer },
  },
)
// The terminal sends Ctrl-C to the whole group; the supervisor stops its children in order and ends by itself.
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => child.kill(signal === 'SIGTERM' ? signal : 0))
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 0)))
