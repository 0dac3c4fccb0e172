// `npm run sim -- --worlds 50000`: does all set-up, then runs simulated worlds on every core.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { prepare, ROOT } from './lib/setup.mjs'

prepare()
const child = spawn(
  process.execPath,
  [join(ROOT, 'packages/testkit/dist/src/sim/main.js'), ...process.argv.slice(2)],
  { cwd: ROOT, stdio: 'inherit' },
)
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => child.kill(signal === 'SIGTERM' ? signal : 0))
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 0)))
