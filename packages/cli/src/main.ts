#!/usr/bin/env node
import { fileURLToPath } from 'node:url'
import { runCommand } from './run-command.ts'

// A reader that went away (`| head -1`) ends the command; a service goes on until it is stopped in order.
const supervised = process.send !== undefined
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.exit(1)
    if (!supervised) process.exit(0)
  })
}

const code = await runCommand({
  argv: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  script: fileURLToPath(import.meta.url),
})

process.exitCode = code
// A service that could not start may have left its connection open, which would keep it alive.
if (code !== 0) process.exit(code)
