// Runs test files in the order given, each in a process of its own: `node --test` sorts what it is
// given, so that the long ones would start last and end alone.
import { run } from 'node:test'
import { spec, tap } from 'node:test/reporters'

const [concurrency, ...files] = process.argv.slice(2)

/** A file that hangs is a failure, not a wait without end. */
const FILE_TIMEOUT_MS = 5 * 60_000

const results = run({ files, concurrency: Number(concurrency), timeout: FILE_TIMEOUT_MS })
results.on('test:fail', ({ todo }) => {
  if (todo === undefined || todo === false) process.exitCode = 1
})
// `spec` is a stream that is made anew, `tap` a generator function.
results.compose(process.stdout.isTTY ? new spec() : tap).pipe(process.stdout)
