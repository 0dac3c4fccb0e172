// Puts the compiled command and its services into few files, which start in a third of the time.
// Run by the build; `packages/cli/bin/trustgw.mjs` takes the result while nothing newer was compiled.
import { join } from 'node:path'
import { build } from 'rolldown'
import { ROOT } from './lib/setup.mjs'

const compiled = (path) => join(ROOT, 'packages', path)

await build({
  // The two guards are processes of their own, started by the name of a file beside the caller's.
  input: {
    main: compiled('cli/dist/src/main.js'),
    guard: compiled('executor/dist/src/connectors/guard.js'),
    'nats-guard': compiled('runtime/dist/src/nats/nats-guard.js'),
  },
  platform: 'node',
  output: { dir: compiled('cli/dist/bundle'), cleanDir: true },
})
