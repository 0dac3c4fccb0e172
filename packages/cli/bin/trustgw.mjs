#!/usr/bin/env node
// The command's name at install time, when nothing is built yet.
import { existsSync } from 'node:fs'

const main = new URL('../dist/src/main.js', import.meta.url)
if (existsSync(main)) await import(main.href)
else {
  process.stderr.write('trustgw: it is not built yet: run "npm start" once\n')
  process.exit(1)
}
