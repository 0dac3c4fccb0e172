import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type ActionId,
  actionId,
  executorComponent,
  type Profile,
  parseComponent,
  parseEventType,
  parseInstance,
  parseProfile,
  parseSubject,
  parseTenantId,
  type Result,
  SUBJECTS,
  type SubjectKind,
  subject,
  subjectPattern,
  type TenantId,
} from '@trustgw/protocol'
import fc from 'fast-check'

function value<T>(result: Result<T>): T {
  assert.ok(result.ok)
  return result.value
}

const tenant = value(parseTenantId('acme'))
const profile = value(parseProfile('connector'))
const component = value(parseComponent('gateway'))
const instance = value(parseInstance('1'))
const event = value(parseEventType('grant_issued'))
const action = actionId(new Uint8Array(16))
const kinds = Object.keys(SUBJECTS) as SubjectKind[]
const ACTION = `act_${'a'.repeat(26)}`

describe('tokens', () => {
  test('slugs of tenants and profiles', () => {
    for (const text of ['a', '0', 'acme', 'a-b', 'a--', 'x'.repeat(31)]) {
      assert.ok(parseTenantId(text).ok && parseProfile(text).ok, text)
    }
    const bad = ['', '-a', 'A', 'a.b', '*', '>', 'a_b', 'a b', 'é', 'a\n', 'x'.repeat(32), '$KV']
    for (const text of bad) {
      assert.deepEqual(parseTenantId(text), { ok: false, reason: 'tenant_id' }, text)
      assert.deepEqual(parseProfile(text), { ok: false, reason: 'profile' }, text)
    }
  })

  test('components and event types', () => {
    assert.equal(executorComponent(profile), 'exec-connector')
    assert.equal(executorComponent(value(parseProfile('x'.repeat(31)))), `exec-${'x'.repeat(31)}`)
    for (const text of ['', 'a.b', '*', 'A', 'a_b']) {
      assert.deepEqual(parseComponent(text), { ok: false, reason: 'component' })
    }
    for (const text of ['', 'a.b', '*', '>', 'A', 'a/b', 'x'.repeat(32)]) {
      assert.deepEqual(parseInstance(text), { ok: false, reason: 'instance' })
    }
    for (const text of ['', 'a.b', '>', 'A', 'a-b', '1a', 'x'.repeat(65)]) {
      assert.deepEqual(parseEventType(text), { ok: false, reason: 'event_type' })
    }
  })
})

describe('subjects', () => {
  test('each has its place in the table', () => {
    assert.equal(subject('action_propose', { tenant }), 'trust.v1.acme.action.propose')
    assert.equal(subject('tools_list', { tenant }), 'trust.v1.acme.tools.list')
    assert.equal(subject('exec_invoke', { tenant, profile }), 'exec.v1.acme.connector.invoke')
    assert.equal(
      subject('exec_result', { tenant, profile, action }),
      `exec.v1.acme.connector.${ACTION}.result`,
    )
    assert.equal(
      subject('audit', { tenant, component, instance, event }),
      'audit.v1.acme.gateway.1.grant_issued',
    )
    assert.equal(
      subject('exec_result_local', { tenant, action }),
      `execout.v1.acme.${ACTION}.result`,
    )
    assert.equal(
      subject('audit_local', { tenant, instance, event }),
      'auditout.v1.acme.1.grant_issued',
    )
    assert.equal(subject('beat', { component }), 'beat.v1.gateway')
  })

  test('a pattern has a wildcard for each token that is not given', () => {
    assert.equal(subjectPattern('action_propose'), 'trust.v1.*.action.propose')
    assert.equal(subjectPattern('exec_invoke', { profile }), 'exec.v1.*.connector.invoke')
    assert.equal(subjectPattern('audit', { tenant }), 'audit.v1.acme.*.*.*')
  })

  test('what is built is read back, as its own kind only', () => {
    const tokens = { tenant, profile, component, instance, event, action }
    const built = new Map(kinds.map((kind) => [kind, subject(kind, tokens)]))
    for (const [kind, text] of built) {
      assert.ok(parseSubject(kind, text).ok, text)
      for (const other of kinds) assert.equal(parseSubject(other, text).ok, other === kind)
    }
    const read = parseSubject('exec_result', `exec.v1.acme.connector.${ACTION}.result`)
    assert.deepEqual(read, { ok: true, value: { tenant, profile, action } })
  })

  test('wildcards, dots and missing tokens never get into a subject', () => {
    for (const bad of ['*', '>', 'a.b', '', 'a b', 'A', '$SYS']) {
      const forged = bad as TenantId
      assert.throws(() => subject('action_propose', { tenant: forged }), { code: 'subject_token' })
      assert.throws(() => subjectPattern('ui_events', { tenant: forged }), {
        code: 'subject_token',
      })
      assert.throws(() => subject('exec_invoke', { tenant, profile: bad as Profile }), {
        code: 'subject_token',
      })
      const result = { tenant, profile, action: bad as ActionId }
      assert.throws(() => subject('exec_result', result), { code: 'subject_token' })
    }
    assert.throws(() => subject('exec_invoke', { tenant } as never), { code: 'subject_token' })
  })

  test('an accepted subject is exactly the one that its tokens build', () => {
    const unit = fc.constantFrom('trust', 'v1', 'acme', 'action', 'propose', '*', '>', '', 'x', 'A')
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 6 }), (parts) => {
        const text = parts.join('.')
        const parsed = parseSubject('action_propose', text)
        if (parsed.ok) assert.equal(subject('action_propose', parsed.value), text)
      }),
      { numRuns: 2000 },
    )
    for (const text of [
      'trust.v1.*.action.propose',
      'trust.v1.acme.action.propose.x',
      'trust.v1.acme.action',
      'trust.v1..action.propose',
      'trust.v2.acme.action.propose',
    ]) {
      assert.deepEqual(parseSubject('action_propose', text), { ok: false, reason: 'subject' })
    }
  })
})
