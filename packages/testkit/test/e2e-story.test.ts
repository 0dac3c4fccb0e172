import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { before, test } from 'node:test'
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
  "A proposal on another tenant's subject": 'bus_permission',
  "Straight to the executor's subject": 'bus_permission',
  "A reply steered into the portal's events": 'account_wall',
}

let ended: Ended
let report: Report
let left: readonly string[]

async function temporaryFolders(): Promise<readonly string[]> {
  return (await readdir(tmpdir())).filter((name) => /^trustgw-(?!e2e)/.test(name))
}

before(async () => {
  const earlier = new Set(await temporaryFolders())
  ended = await runNode([DEMO, '--json'], { cwd: tmpdir(), env: {} })
  left = (await temporaryFolders()).filter((name) => !earlier.has(name))
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
