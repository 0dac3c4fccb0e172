import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { lockState } from '../src/up/state-lock.ts'

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'tg-lock-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

test('a state folder has one supervisor: a living holder is named, and a release frees it', async (t) => {
  const dir = folder(t)
  const holder = spawn('sleep', ['30'])
  t.after(() => holder.kill('SIGKILL'))
  const stat = readFileSync(`/proc/${holder.pid}/stat`, 'utf8')
  const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  writeFileSync(join(dir, 'supervisor.lock'), `${holder.pid} ${started}\n`)
  assert.deepEqual(await lockState(dir), { ok: false, reason: 'state_in_use', pid: holder.pid })
})

test('a lock whose process is gone is taken over, also when its id was given to another', async (t) => {
  const dir = folder(t)
  const file = join(dir, 'supervisor.lock')
  writeFileSync(file, '2147483646 1\n')
  const taken = await lockState(dir)
  assert.ok(taken.ok)
  await taken.release()
  writeFileSync(file, '1 1\n')
  const again = await lockState(dir)
  assert.ok(again.ok)
  assert.match(readFileSync(file, 'utf8'), new RegExp(`^${process.pid} `))
})
