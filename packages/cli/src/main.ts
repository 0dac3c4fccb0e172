#!/usr/bin/env node
import { runCommand } from './run-command.ts'

process.exitCode = await runCommand({
  argv: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  script: process.argv[1] ?? '',
})
