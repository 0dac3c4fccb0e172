import assert from 'node:assert/strict'
import { test } from 'node:test'
import { verifyLog } from '@trustgw/log'
import type { Actor, AuditEventType, AuditPayload } from '@trustgw/protocol'
import { ACME, newAction, readLines, type Service, startWorld, until } from './world.ts'

/** Who wrote it, what, with which payload, and in which person's name. */
type Told = readonly [Service, AuditEventType, AuditPayload?, string?]

const G = 'gateway'
const H = 'host'
const E = 'exec-connector'
const GRANT: AuditPayload = { jti: 'jti-1' }

/** What verify finds in a log of one action with these events. */
async function findingsOf(told: readonly Told[]): Promise<string[]> {
  const world = await startWorld()
  try {
    const log = await world.log()
    const writers = new Map<Service, Awaited<ReturnType<typeof world.writer>>>()
    const action_id = newAction()
    for (const [service, type, payload, person] of told) {
      const writer = writers.get(service) ?? (await world.writer(service))
      writers.set(service, writer)
      const actor: Actor =
        person === undefined ? { kind: 'system', id: service } : { kind: 'human', id: person }
      await writer.append(type, { actor, action_id, ...(payload && { payload }) })
    }
    await until(async () => (await readLines(world.dir)).length === told.length)
    await log.stop()
    const report = await verifyLog({ dir: world.dir, log: ACME, keys: world.ring.keys })
    const { failures, findings } = report.totals
    assert.equal(failures, 0)
    assert.equal(report.ok, findings === 0)
    return report.findings.map(({ severity, code, line }) => `${severity} ${code} ${line ?? '-'}`)
  } finally {
    await world.stop()
  }
}

const cases: readonly (readonly [string, readonly Told[], readonly string[]])[] = [
  [
    'an allowed action whose result came before the executor said finished is sound',
    [
      [G, 'proposed'],
      [G, 'evaluated', { tier: 0 }],
      [G, 'grant_issued', GRANT],
      [E, 'started', GRANT],
      [G, 'succeeded', GRANT],
      [E, 'finished', { ...GRANT, outcome: 'succeeded' }],
    ],
    [],
  ],
  [
    'a grant without a decision is a finding',
    [
      [G, 'grant_issued', GRANT],
      [E, 'started', GRANT],
    ],
    ['finding grant_without_evaluation 1'],
  ],
  [
    'a grant at tier 1 without an approval is a finding',
    [
      [G, 'evaluated', { tier: 1 }],
      [G, 'grant_issued', GRANT],
      [E, 'started', GRANT],
    ],
    ['finding grant_without_approval 2'],
  ],
  [
    'an approval that no person gave at the host is a finding',
    [
      [G, 'evaluated', { tier: 1 }],
      [G, 'approved'],
    ],
    ['finding approval_without_person 2'],
  ],
  [
    'an outcome settled in the name of a person who said nothing at the host is a finding',
    [
      [G, 'needs_human', GRANT],
      [G, 'outcome_given', {}, 'ann'],
      [G, 'reconciled', GRANT, 'ann'],
    ],
    ['finding writer_not_entitled 2', 'finding outcome_without_person 3'],
  ],
  [
    'an outcome that a person gave at the host, or that an executor told, is sound',
    [
      [G, 'needs_human', GRANT],
      [H, 'outcome_given', {}, 'ann'],
      [G, 'reconciled', GRANT, 'ann'],
      [G, 'reconciled', GRANT],
    ],
    [],
  ],
  [
    'a start without a grant is a finding',
    [
      [G, 'evaluated', { tier: 0 }],
      [E, 'started', GRANT],
    ],
    ['finding start_without_grant 2'],
  ],
  [
    'a start under another grant than the one issued is a finding',
    [
      [G, 'evaluated', { tier: 0 }],
      [G, 'grant_issued', GRANT],
      [E, 'started', { jti: 'jti-2' }],
    ],
    ['finding start_without_grant 3', 'notice grant_not_executed -'],
  ],
  [
    'an end without a start is a finding, for executor and gateway alike',
    [
      [G, 'evaluated', { tier: 0 }],
      [E, 'finished', { outcome: 'succeeded' }],
      [G, 'succeeded', GRANT],
    ],
    ['finding end_without_start 2', 'finding end_without_start 3'],
  ],
  [
    'an end that nobody saw needs no start',
    [
      [G, 'evaluated', { tier: 0 }],
      [G, 'grant_issued', GRANT],
      [G, 'unknown_outcome', GRANT],
      [E, 'finished', { ...GRANT, outcome: 'unknown_outcome' }],
    ],
    [],
  ],
  [
    'a grant never executed is a notice',
    [
      [G, 'evaluated', { tier: 0 }],
      [G, 'grant_issued', GRANT],
    ],
    ['notice grant_not_executed -'],
  ],
  [
    'an action that ran although the gateway had ended it is a notice, whichever came first',
    [
      [G, 'evaluated', { tier: 0 }],
      [G, 'grant_issued', GRANT],
      [E, 'started', GRANT],
      [G, 'grant_lapsed', GRANT],
      [G, 'cancelled', {}],
      [E, 'finished', { ...GRANT, outcome: 'succeeded' }],
    ],
    ['notice ran_though_ended -'],
  ],
  [
    'an action that ran and was told to have run is none',
    [
      [G, 'evaluated', { tier: 0 }],
      [G, 'grant_issued', GRANT],
      [E, 'started', GRANT],
      [E, 'finished', { ...GRANT, outcome: 'succeeded' }],
      [G, 'succeeded', GRANT],
    ],
    [],
  ],
  [
    'a grant that lapsed is explained',
    [
      [G, 'evaluated', { tier: 0 }],
      [G, 'grant_issued', GRANT],
      [G, 'grant_lapsed', GRANT],
    ],
    [],
  ],
  [
    'the word of a component that may not say it is a finding and counts for nothing',
    [
      [G, 'evaluated', { tier: 2 }],
      [G, 'approval_given'],
      [H, 'evaluated', { tier: 0 }],
      [G, 'approved'],
    ],
    [
      'finding writer_not_entitled 2',
      'finding writer_not_entitled 3',
      'finding approval_without_person 4',
    ],
  ],
]

for (const [name, told, expected] of cases) {
  test(name, async () => {
    assert.deepEqual(await findingsOf(told), expected)
  })
}
