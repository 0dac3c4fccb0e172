import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { promisify } from 'node:util'
import { DEMO, type Ended, runNode } from './e2e-support.ts'

interface Attack {
  readonly name: string
  readonly expected: string
  readonly observed: string
  readonly stopped: boolean
}

interface Report {
  readonly ok: boolean
  readonly steps: readonly { readonly title: string; readonly seen: string; readonly ok: boolean }[]
  readonly attacks: readonly Attack[]
}

/** The attacks of the issue, each by the name under which the demo tells it. */
const REQUIRED: Readonly<Record<string, string>> = {
  'An argument changed after approval': 'input_hash_differs',
  'A grant replayed': 'grant_used',
  'A grant replayed after a crash': 'grant_used',
  'A grant for another tool': 'decision_disagrees',
  'An expired grant': 'grant_expired',
  'A grant signed by another key': 'grant_signature',
  '`alg: none`': 'grant_alg',
  'An assertion for another action': 'assertion_other_action',
  'A signed deny presented as approval': 'assertion_is_a_deny',
  'Tier 0 claimed by a stolen gateway': 'decision_differs',
  'A policy that the gateway signed itself': 'bundle_seal',
  'An old policy used again': 'policy_superseded',
  "A proposal on another tenant's subject": 'bus_permission',
  "Straight to the executor's subject": 'bus_permission',
  "A reply steered into the portal's events": 'account_wall',
}

let ended: Ended
let report: Report
let left: readonly string[]

before(async () => {
  const temporary = await mkdtemp(join(tmpdir(), 'trustgw-e2e-'))
  try {
    ended = await runNode([DEMO, '--json'], { cwd: temporary, env: { TMPDIR: temporary } })
    left = await readdir(temporary)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  report = JSON.parse(ended.out)
})

test('the demo plays its whole story and ends with 0', () => {
  const failed = report.steps.filter(({ ok }) => !ok).map(({ title, seen }) => `${title}: ${seen}`)
  assert.deepEqual(failed, [])
  assert.equal(report.ok, true)
  assert.equal(ended.code, 0, ended.err)
})

test('every attack of the list is stopped by the check that should stop it', () => {
  const odd = report.attacks.filter(({ stopped }) => !stopped)
  assert.deepEqual(odd, [])
  for (const [name, reason] of Object.entries(REQUIRED)) {
    const attack = report.attacks.find((one) => one.name === name)
    assert.ok(attack !== undefined, `the demo does not try: ${name}`)
    assert.equal(attack.observed, reason, name)
  }
})

test('nothing of the demo stays behind', () => {
  assert.deepEqual(left, [])
})

test('an interrupt ends every process and removes every folder', async () => {
  const temporary = await mkdtemp(join(tmpdir(), 'trustgw-e2e-'))
  try {
    const run = runNode([DEMO], { cwd: temporary, env: { TMPDIR: temporary } }, (child) => {
      child.stdout?.on('data', (chunk: Buffer) => {
        if (chunk.includes('A browser')) child.kill('SIGINT')
      })
    })
    assert.equal((await run).code, 130)
    assert.deepEqual(await readdir(temporary), [])
    const { stdout } = await promisify(execFile)('ps', ['-axww', '-o', 'command='])
    assert.ok(!stdout.includes(temporary), 'a process of the demo is still running')
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
})
