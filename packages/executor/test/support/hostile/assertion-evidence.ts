import type { ApprovalEvidence, Json, JsonObject } from '@trustgw/protocol'
import { NOW } from '../world.ts'
import { type ApprovalMaker, PASSKEYS } from './assertion-parts.ts'
import { textOf } from './tokens.ts'
import { type Fate, without } from './vector-file.ts'

const MALFORMED = 'message_malformed'
const RUN_AFTER_DECIDE_MS = 86_400_000

/** The evidence around the assertion: who, which credential, until when, in which form. */
export function evidenceCases(maker: ApprovalMaker): void {
  const good = maker.evidence({})
  const assertion = good['assertion'] as JsonObject
  const one = (name: string, expected: Fate, evidence: Json): void =>
    maker.raw(name, expected, [evidence])
  maker.file.group('form of the evidence')
  for (const member of Object.keys(good)) {
    one(`no ${member}`, MALFORMED, without(good, member))
    one(`${member} is null`, MALFORMED, { ...good, [member]: null })
    one(`${member} in a list`, MALFORMED, { ...good, [member]: [good[member] ?? null] })
  }
  one('a member more', MALFORMED, { ...good, roles: ['finance'] })
  one('null', MALFORMED, null)
  one('a text', MALFORMED, JSON.stringify(good))
  for (const member of Object.keys(assertion)) {
    const put = (value: Json): JsonObject => ({
      ...good,
      assertion: { ...assertion, [member]: value },
    })
    const text = textOf(assertion, member)
    const strange: Fate =
      member === 'credential_id' ? 'credential_not_pinned' : 'assertion_malformed'
    one(`no ${member}`, MALFORMED, { ...good, assertion: without(assertion, member) })
    one(`${member} is null`, MALFORMED, put(null))
    one(`${member} is a number`, MALFORMED, put(7))
    one(`${member} is empty`, MALFORMED, put(''))
    one(`${member} in a list`, MALFORMED, put([text]))
    one(`${member} with padding`, MALFORMED, put(`${text}=`))
    one(`${member} with a space`, MALFORMED, put(`${text} `))
    one(`${member} in plain base64`, MALFORMED, put(`+/${text.slice(2)}`))
    one(`${member} of an impossible length`, strange, put(impossible(text)))
  }
  one('user_handle too', MALFORMED, { ...good, assertion: { ...assertion, user_handle: 'AAAA' } })
  people(maker)
  deadlines(maker)
}

/** base64url of a length that no bytes have. */
const impossible = (text: string): string => `${text.slice(0, text.length - (text.length % 4))}A`

function people(maker: ApprovalMaker): void {
  const good = maker.evidence({})
  maker.file.group('person and credential')
  const unpinned: Fate = 'credential_not_pinned'
  const id = PASSKEYS.ES256.credential_id
  maker.add('the credential of another person', unpinned, {
    assertion: { credential_id: PASSKEYS.EdDSA.credential_id },
  })
  maker.add('the name of another person', unpinned, { evidence: { approver: 'eddy' } })
  maker.add('the person of another tenant', unpinned, { person: 'cem' })
  maker.add('a person without the role', 'approver_lacks_role', { person: 'ben' })
  maker.add('a person with another RP ID', 'assertion_origin', { person: 'dan' })
  maker.add('another RP ID and its origin', 'assertion_rp_id', {
    person: 'dan',
    client: { origin: 'https://approve.example' },
  })
  maker.add('another RP ID, its origin and its hash', 'admitted', {
    person: 'dan',
    rpId: 'approve.example',
    client: { origin: 'https://approve.example' },
  })
  maker.add('the agent', 'approver_is_initiator', { evidence: { approver: 'agent-1' } })
  for (const name of [
    'Ana',
    'ana.',
    'anа',
    'a',
    'nobody',
    '__proto__',
    'constructor',
    '*',
    "ana'--",
  ]) {
    const expected = /^[\u0021-\u007e]+$/.test(name) ? unpinned : MALFORMED
    maker.add(`the name ${name}`, expected, { evidence: { approver: name } })
  }
  for (const [name, credential_id] of Object.entries({
    'in lower case': id.toLowerCase(),
    'cut short': id.slice(0, -2),
    'with more behind it': `${id}AA`,
    'of nothing that is known': 'AAAA',
    'with other bits behind its last byte': `${id.slice(0, -1)}${id.endsWith('A') ? 'B' : 'A'}`,
  })) {
    maker.add(`a credential id ${name}`, unpinned, { assertion: { credential_id } })
  }
  const [eddy, ben] = [maker.evidence({ kind: 'EdDSA' }), maker.evidence({ person: 'ben' })]
  maker.raw('two people where one is asked', 'evidence_unexpected', [good, eddy])
  maker.raw('one person twice', 'approver_twice', [good, good])
  maker.raw('nobody', 'quorum_not_met', [])
  maker.raw('one who may not, beside one who may', 'evidence_unexpected', [good, ben])
  maker.raw(
    '17 of them',
    MALFORMED,
    Array.from({ length: 17 }, () => good),
  )
  maker.raw(
    '16 of them',
    'approver_twice',
    Array.from({ length: 16 }, () => good),
  )
  const host: JsonObject = { ...without(good, 'assertion'), kind: 'host', statement: 'a.b.c' }
  maker.raw("the host's word", 'evidence_wrong_kind', [host])
  maker.raw("the host's word with an assertion", MALFORMED, [{ ...good, kind: 'host' }])
  maker.raw('of no kind that is known', MALFORMED, [{ ...good, kind: 'totp' }])
  const named = { members: { approvals: [maker.evidence({ kind: 'RS256' })] } }
  maker.raw('another than the grant names', 'approvals_differ', [good], named)
  maker.raw('one that the grant does not name', 'approvals_differ', [], {
    members: { approvals: [good] },
  })
  maker.raw('none of those that the grant names', 'approvals_differ', [good], {
    members: { approvals: [] },
  })
  maker.raw('one less than the grant names', 'approvals_differ', [good, eddy], {
    members: { approvals: [good] },
  })
  maker.raw('in another order than the grant has', 'approvals_differ', [good, eddy], {
    members: { approvals: [eddy, good] },
  })
}

/** `decide_by` and `run_by` are of the statement, and no later than the decision allows. */
function deadlines(maker: ApprovalMaker): void {
  const { decide_by, run_by } = maker.statement()
  const add = (name: string, expected: Fate, times: Times): void => {
    maker.add(`${name}, signed so`, expected, { statement: times, evidence: { ...times } })
    const signedElse = expected === 'admitted' ? 'assertion_other_action' : expected
    maker.add(`${name}, not signed`, signedElse, { evidence: { ...times } })
  }
  maker.file.group('deadlines')
  add('to decide a millisecond later than allowed', 'deadline_extended', {
    decide_by: decide_by + 1,
    run_by: run_by + 1,
  })
  add('to decide a millisecond earlier', 'admitted', { decide_by: decide_by - 1, run_by })
  add('to run before the one to decide', 'deadline_extended', { decide_by, run_by: decide_by - 1 })
  add('to run at the one to decide', 'admitted', { decide_by, run_by: decide_by })
  add('to run a day after the one to decide', 'admitted', {
    decide_by,
    run_by: decide_by + RUN_AFTER_DECIDE_MS,
  })
  add('to run more than a day after', 'deadline_extended', {
    decide_by,
    run_by: decide_by + RUN_AFTER_DECIDE_MS + 1,
  })
  add('to run a millisecond ago', 'run_by_passed', { decide_by: NOW - 1_000, run_by: NOW - 1 })
  add('to run now', 'admitted', { decide_by: NOW - 1_000, run_by: NOW })
  add('at the beginning of time', 'run_by_passed', { decide_by: 0, run_by: 0 })
  const forms: readonly Json[] = [-1, 1.5, String(run_by), null, 9_007_199_254_740_991, true]
  for (const value of forms) {
    maker.add(`run_by ${JSON.stringify(value)}`, MALFORMED, { evidence: { run_by: value } })
    maker.add(`decide_by ${JSON.stringify(value)}`, MALFORMED, { evidence: { decide_by: value } })
  }
  maker.file.group('nonce')
  maker.add('another', 'assertion_other_action', { evidence: { nonce: 'A'.repeat(22) } })
  maker.add('too short', MALFORMED, { evidence: { nonce: 'A'.repeat(21) } })
  maker.add('too long', MALFORMED, { evidence: { nonce: 'A'.repeat(65) } })
  maker.add('no base64url', MALFORMED, { evidence: { nonce: `${'A'.repeat(22)}=` } })
}

type Times = Pick<ApprovalEvidence, 'decide_by' | 'run_by'>
