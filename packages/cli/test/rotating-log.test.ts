import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LOG_FILE_MAX_BYTES, RotatingLog } from '../src/up/rotating-log.ts'

test('a diagnostic log keeps the newest lines and at most one older file', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'tg-log-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const file = join(dir, 'gateway.log')
  const log = new RotatingLog(file)
  const line = `${'x'.repeat(1_048_575)}\n`
  for (let written = 0; written <= 2 * LOG_FILE_MAX_BYTES; written += line.length) log.write(line)
  log.write('the last line\n')
  log.end()
  assert.ok(readFileSync(file, 'utf8').endsWith('the last line\n'))
  assert.ok(statSync(file).size <= LOG_FILE_MAX_BYTES + line.length)
  assert.ok(statSync(`${file}.1`).size <= LOG_FILE_MAX_BYTES + 2 * line.length)
})

test('what an earlier start wrote counts', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'tg-log-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const file = join(dir, 'host.log')
  const first = new RotatingLog(file)
  first.write('x'.repeat(LOG_FILE_MAX_BYTES))
  first.end()
  const second = new RotatingLog(file)
  second.write('one more')
  second.write('after it')
  second.end()
  assert.equal(readFileSync(file, 'utf8'), 'after it')
})
