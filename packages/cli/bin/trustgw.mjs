#!/usr/bin/env node
// The command's name at install time, when nothing is built yet.
import { existsSync, readdirSync, statSync } from 'node:fs'

const PACKAGES = new URL('../../', import.meta.url)
const BUNDLE = new URL('cli/dist/bundle/main.js', PACKAGES)
const COMPILED = new URL('cli/dist/src/main.js', PACKAGES)

const writtenAt = (url) => statSync(url, { throwIfNoEntry: false })?.mtimeMs ?? 0

/** Few large files load three times as fast as many small ones; what was compiled later counts, though. */
const compiledAt = Math.max(
  ...readdirSync(PACKAGES).map((name) =>
    writtenAt(new URL(`${name}/dist/src.tsbuildinfo`, PACKAGES)),
  ),
)
const main = writtenAt(BUNDLE) > compiledAt ? BUNDLE : COMPILED

if (existsSync(main)) await import(main.href)
else {
  process.stderr.write('trustgw: it is not built yet: run "npm start" once\n')
  process.exit(1)
}
