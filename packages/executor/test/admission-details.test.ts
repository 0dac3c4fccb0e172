import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTenantId } from '@trustgw/protocol'
import type { StoredMessage, StoredReader } from '@trustgw/runtime'
import { type AdmissionDeps, clearAction } from '../src/admit/admission.ts'
import { bytesOf, type Change, NOW, World } from './support/world.ts'

/** Why the action is refused, and what the audit is told beside it. */
async function told(
  change: Change,
  depsOf: (world: World) => Partial<AdmissionDeps> = () => ({}),
): Promise<string> {
  const world = new World()
  const bytes = bytesOf(await world.granted(change))
  const outcome = await clearAction(bytes, world.admission(depsOf(world)))
  return outcome.ok ? 'cleared' : `${outcome.reason} ${outcome.detail ?? '-'}`
}

const otherTenant = parseTenantId('other')
assert.ok(otherTenant.ok)

/** The stream with its messages changed on the way. */
const reading =
  (change: (message: StoredMessage) => StoredMessage | undefined) =>
  (world: World): Partial<AdmissionDeps> => {
    const honest = world.executor.reader({ home: 'data', stream: 'AUDIT' })
    const audit: StoredReader = {
      getLast: (subject) => honest.getLast(subject),
      getBySeq: async (seq) => {
        const message = await honest.getBySeq(seq)
        return message === undefined ? undefined : change(message)
      },
    }
    return { audit }
  }

test('the member of the decision in which gateway and grant disagree is named', async () => {
  const decision = { effect: 'deny', tier: 0 } as const
  const cases: readonly (readonly [string, Change])[] = [
    [
      'decision_disagrees principal_tenant',
      {
        decision: {
          principal: {
            tenant: otherTenant.value,
            issuer: 'api-key',
            client: 'key-1',
            subject: 'agent-1',
          },
        },
      },
    ],
    ['decision_forbids -', { decision, evidence: [], claims: { clearance: 'auto_approved' } }],
    [
      'decision_forbids tier',
      { decision: { tier: 0 }, evidence: [], claims: { clearance: 'auto_approved' } },
    ],
    ['decision_disagrees rule_id', { claims: { rule_id: 'another' } }],
  ]
  for (const [expected, change] of cases) assert.equal(await told(change), expected)
})

test('the event of the decision is looked for where it can be, and read as strictly as all else', async () => {
  const asked: number[] = []
  const never = (): Partial<AdmissionDeps> => ({
    audit: {
      getLast: () => Promise.resolve(undefined),
      getBySeq: (seq) => {
        asked.push(seq)
        return Promise.resolve(undefined)
      },
    },
  })
  const event = { seq: 0, event_id: 'ev_aaaaaaaaaaaaaaaaaaaaaaaaaa' }
  assert.equal(await told({ event }, never), 'decision_event_missing -')
  assert.deepEqual(asked, [], 'there is no place before the first')
  assert.equal(await told({}, never), 'decision_event_missing -')
  for (const subject of ['no subject of ours', 'audit.v1.other.gateway.one.evaluated'])
    assert.equal(
      await told(
        {},
        reading((message) => ({ ...message, subject })),
      ),
      'decision_event_differs subject',
      subject,
    )
  const edited = (from: string | RegExp, to: string) =>
    reading((message) => ({
      ...message,
      data: Buffer.from(Buffer.from(message.data).toString().replace(from, to)),
    }))
  assert.equal(
    await told({}, edited(/"sig":"[^"]*"/, `"sig":"${'A'.repeat(85)}B"`)),
    'decision_event_signature -',
  )
  assert.equal(await told({}, edited('"v":1', '"v":2')), 'decision_event_malformed #/v: value')
  const broken = (): Partial<AdmissionDeps> => ({
    audit: {
      getLast: () => Promise.resolve(undefined),
      getBySeq: () => Promise.reject(new RangeError('a defect')),
    },
  })
  await assert.rejects(told({}, broken), RangeError)
})

test('a message that is none says what is wrong with it, and a grant of no length is none', async () => {
  const world = new World()
  const deps = world.admission()
  const outcome = await clearAction(Buffer.from('{"v":1'), deps)
  assert.ok(!outcome.ok)
  assert.equal(outcome.reason, 'message_malformed')
  assert.notEqual(outcome.detail, undefined)
  const iat = NOW / 1000
  for (const exp of [iat, iat - 1])
    assert.equal(await told({ claims: { iat, nbf: iat, exp } }), 'grant_lifetime -', String(exp))
})
