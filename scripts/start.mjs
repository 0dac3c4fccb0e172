// `npm start`: installs and builds what is missing, then starts the whole system in development mode.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { prepare, ROOT } from './lib/setup.mjs'

const natsServer = prepare({ tests: false })
const child = spawn(
  process.execPath,
  [join(ROOT, 'packages/cli/bin/trustgw.mjs'), 'up', ...process.argv.slice(2)],
  {
    cwd: ROOT,
    stdio: 'inherit',
    env: { TRUSTGW_MODE: 'development', ...process.env, NATS_SERVER: natsServer },
  },
)
// A terminal sends Ctrl-C to the whole group, so there it is not sent twice; the supervisor stops its children in order.
process.on('SIGTERM', () => child.kill('SIGTERM'))
process.on('SIGINT', () => {
  if (!process.stdin.isTTY) child.kill('SIGINT')
})
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 0)))
