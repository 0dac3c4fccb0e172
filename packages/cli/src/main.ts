#!/usr/bin/env node
import { fileURLToPath } from 'node:url'
import { runCommand } from './run-command.ts'

const code = await runCommand({
  argv: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  script: fileURLToPath(import.meta.url),
})

process.exitCode = code
// A service that could not start may have left its connection open, which would keep it alive.
if (code !== 0) process.exit(code)
