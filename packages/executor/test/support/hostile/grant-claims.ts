import { hashText, type JsonObject } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { NOW } from '../world.ts'
import { doubled, type Part, rawToken, textOf } from './tokens.ts'
import { type Fate, type HostileFile, without } from './vector-file.ts'

export const HEADER: JsonObject = { alg: 'EdDSA', kid: 'grant-1', typ: 'execution-grant+jwt' }
const SECOND = NOW / 1000
const OTHER = hashText(sha256, 'another')

/** What a genuine gateway signs, but for the claims. */
export interface Signing {
  readonly file: HostileFile
  readonly claims: JsonObject
}

const sign = ({ file }: Signing, payload: Part): string =>
  rawToken(HEADER, payload, file.world.grantKey.sign)

/** Each claim with another good value, and what that is refused with. */
const CHANGED: readonly (readonly [claim: string, value: string | number | string[], Fate])[] = [
  ['iss', 'trustgw/host', 'grant_issuer'],
  ['aud', 'native', 'grant_audience'],
  ['sub', 'demo|api-key|key-1|agent-2', 'decision_disagrees'],
  ['iat', SECOND - 1, 'grant_lifetime'],
  ['nbf', SECOND - 1, 'grant_lifetime'],
  ['exp', SECOND + 31, 'grant_lifetime'],
  ['action_id', 'act_aaaaaaaaaaaaaaaaaaaaaaaaaa', 'decision_disagrees'],
  ['tenant_id', 'other', 'tenant_not_served'],
  ['workspace_id', 'other', 'decision_disagrees'],
  ['tool_name', 'shop.wipe', 'tool_unknown'],
  ['contract_hash', OTHER, 'contract_changed'],
  ['input_hash', OTHER, 'decision_disagrees'],
  ['precondition_hash', OTHER, 'precondition_differs'],
  ['credential_ref', 'bank', 'credential_differs'],
  ['policy_fingerprint', OTHER, 'decision_disagrees'],
  ['policy_epoch', 2, 'decision_disagrees'],
  ['policy_epoch', 0, 'decision_disagrees'],
  ['decision_hash', OTHER, 'decision_hash_differs'],
  ['rule_id', 'other', 'decision_disagrees'],
  ['clearance', 'human_approved', 'clearance_differs'],
  ['clearance', 'elevated_approval', 'clearance_differs'],
  ['clearance', 'proof_verified', 'tier_not_supported'],
  ['approvals', [OTHER], 'approvals_differ'],
  ['idempotency_key', OTHER, 'idempotency_key_differs'],
]
const TIMES = ['iat', 'nbf', 'exp']

export function claimCases(signing: Signing): void {
  const { file, claims } = signing
  const add = (name: string, expected: Fate, payload: Part): void =>
    file.grant(name, expected, sign(signing, payload))
  file.group('claim')
  for (const [claim, value] of Object.entries(claims)) {
    const reason = claim === 'iss' ? 'grant_issuer' : 'grant_claims'
    const put = (other: Part): JsonObject => ({ ...claims, [claim]: other })
    add(`${claim} left out`, 'grant_claims', without(claims, claim))
    add(`${claim} twice`, 'grant_claims', doubled(claims, claim))
    add(`${claim} is null`, reason, put(null))
    add(`${claim} of another type`, reason, put(typeof value === 'number' ? String(value) : 7))
    add(`${claim} in a list`, reason, put([value]))
    add(`${claim} in an object`, reason, put({ value }))
    add(`${claim} is true`, reason, put(true))
    if (TIMES.includes(claim)) add(`${claim} is 0`, 'grant_lifetime', put(0))
    else if (typeof value === 'string') add(`${claim} is empty`, reason, put(''))
    if (typeof value !== 'string') continue
    add(`${claim} with a space at its end`, reason, put(`${value} `))
    add(`${claim} with a line feed at its end`, reason, put(`${value}\n`))
  }
  for (const [claim, value, reason] of CHANGED) {
    add(`${claim} is ${String(value)}`, reason, { ...claims, [claim]: value })
  }
  formCases(signing)
  timeCases(signing)
  payloadCases(signing)
}

function formCases(signing: Signing): void {
  const { file, claims } = signing
  file.group('form of a claim')
  const hash = textOf(claims, 'input_hash')
  const hashes: readonly (readonly [string, string])[] = [
    ['upper-case digits', `sha256:${hash.slice(7).toUpperCase()}`],
    ['an upper-case name', `SHA256:${hash.slice(7)}`],
    ['no name', hash.slice(7)],
    ['another name', `sha512:${hash.slice(7)}`],
    ['a digit less', hash.slice(0, -1)],
    ['a digit more', `${hash}0`],
    ['base64url', `sha256:${Buffer.from(hash.slice(7), 'hex').toString('base64url')}`],
    ['a digit of another script', `${hash.slice(0, -1)}٠`],
  ]
  for (const claim of ['input_hash', 'contract_hash', 'decision_hash', 'policy_fingerprint']) {
    for (const [name, value] of hashes) {
      const token = sign(signing, { ...claims, [claim]: value })
      file.grant(`${claim} with ${name}`, 'grant_claims', token)
    }
  }
  const id = textOf(claims, 'action_id').slice(4)
  const ids: readonly (readonly [string, string, string])[] = [
    ['action_id', 'the prefix of a grant', `jti_${id}`],
    ['action_id', 'an upper-case prefix', `ACT_${id}`],
    ['action_id', 'no prefix', id],
    ['action_id', 'upper-case digits', `act_${id.toUpperCase()}`],
    ['action_id', 'bits behind its 128', `act_${id.slice(0, -1)}b`],
    ['action_id', 'a wildcard', 'act_>'],
    ['action_id', 'a digit less', `act_${id.slice(0, -1)}`],
    ['jti', 'the prefix of an action', `act_${id}`],
    ['jti', 'bits behind its 128', `jti_${id.slice(0, -1)}b`],
    ['jti', 'a dot, which parts subjects', `jti_${id.slice(0, -2)}.a`],
    ['tenant_id', 'a wildcard', '*'],
    ['tenant_id', 'a dot', 'demo.other'],
    ['tenant_id', 'an upper-case letter', 'Demo'],
    ['aud', 'a wildcard', '>'],
    ['aud', 'an upper-case letter', 'Connector'],
    ['tool_name', 'a letter of another script', 'shоp.refund'],
    ['tool_name', 'too long', 't'.repeat(129)],
    ['sub', 'too long', 's'.repeat(1_025)],
    ['clearance', 'an upper-case letter', 'Auto_approved'],
    ['iss', 'a slash at its end', 'trustgw/gateway/'],
    ['iss', 'a tenant before it', 'demo/trustgw/gateway'],
  ]
  for (const [claim, name, value] of ids) {
    const token = sign(signing, { ...claims, [claim]: value })
    file.grant(`${claim}: ${name}`, claim === 'iss' ? 'grant_issuer' : 'grant_claims', token)
  }
  const list = Array.from({ length: 17 }, () => OTHER)
  file.grant('17 approvals', 'grant_claims', sign(signing, { ...claims, approvals: list }))
  const most = sign(signing, { ...claims, approvals: list.slice(1) })
  file.grant('16 approvals', 'approvals_differ', most)
}

/** `iat`, `nbf`, `exp` in seconds from now, in the executor's clock; the decision is one second old. */
const AT: readonly (readonly [string, Fate, readonly [number, number, number]])[] = [
  ['of this second, for 30 seconds', 'admitted', [0, 0, 30]],
  ['ahead by two seconds', 'admitted', [2, 2, 32]],
  ['ahead by three seconds', 'grant_not_yet_valid', [3, 3, 33]],
  ['made now, valid from in two seconds', 'admitted', [0, 2, 30]],
  ['made now, valid from in three seconds', 'grant_not_yet_valid', [0, 3, 30]],
  ['ended one second ago', 'admitted', [-2, -2, -1]],
  ['ended two seconds ago', 'grant_expired', [-30, -30, -2]],
  ['ended long ago', 'grant_expired', [-86_430, -86_430, -86_400]],
  ['from a year ahead', 'grant_not_yet_valid', [31_536_000, 31_536_000, 31_536_030]],
  ['for one second', 'admitted', [0, 0, 1]],
  ['for no time', 'grant_lifetime', [0, 0, 0]],
  ['backwards', 'grant_lifetime', [0, 0, -1]],
  ['for 31 seconds, begun one ago', 'grant_lifetime', [-1, -1, 30]],
  ['for an hour', 'grant_lifetime', [0, 0, 3_600]],
  ['valid from its end', 'grant_lifetime', [0, 30, 30]],
  ['valid from after its end', 'grant_lifetime', [0, 31, 30]],
]
/** Texts of a number in place of `iat`, as JSON writes them. */
const NUMBERS: readonly (readonly [string, Fate, string])[] = [
  ['milliseconds', 'grant_lifetime', String(NOW)],
  ['a fraction', 'grant_claims', `${SECOND}.5`],
  ['a fraction of nothing', 'admitted', `${SECOND}.0`],
  ['an exponent', 'admitted', '1.79e9'],
  ['minus nothing', 'grant_claims', '-0'],
  ['below zero', 'grant_claims', `-${SECOND}`],
  ['more than a double holds', 'grant_claims', '1e400'],
  ['less than a double holds', 'grant_claims', '1e-400'],
  ['2^53 + 1', 'grant_claims', '9007199254740993'],
  ['beyond all dates', 'grant_claims', '8640000000001'],
  ['NaN', 'grant_claims', 'NaN'],
  ['Infinity', 'grant_claims', 'Infinity'],
  ['a plus before it', 'grant_claims', `+${SECOND}`],
  ['a nought before it', 'grant_claims', `0${SECOND}`],
  ['hexadecimal', 'grant_claims', '0x6AB13B80'],
  ['underscores', 'grant_claims', '1_790_000_000'],
  ['nothing', 'grant_claims', ''],
]

function timeCases(signing: Signing): void {
  const { file, claims } = signing
  file.group('times')
  for (const [name, expected, [iat, nbf, exp]] of AT) {
    const times = { iat: SECOND + iat, nbf: SECOND + nbf, exp: SECOND + exp }
    file.grant(name, expected, sign(signing, { ...claims, ...times }))
  }
  file.group('iat as a number')
  for (const [name, expected, number] of NUMBERS) {
    const payload = JSON.stringify(claims).replace(`"iat":${SECOND}`, `"iat":${number}`)
    file.grant(name, expected, sign(signing, payload))
  }
}

function payloadCases(signing: Signing): void {
  const { file, claims } = signing
  const json = JSON.stringify(claims)
  const inside = (more: string): string => `${json.slice(0, -1)},${more}}`
  file.group('payload')
  const more = ['admin', 'scope', 'cnf', 'act', 'ISS', 'Aud', 'jti ', 'constructor', 'toString']
  for (const name of [...more, '__proto__', 'crit', 'alg', 'aud\\u0000', 'au\\u0064s', '']) {
    file.grant(`a member "${name}" more`, 'grant_claims', sign(signing, inside(`"${name}":"x"`)))
  }
  const escaped = json.replace('"aud":', '"\\u0061ud":')
  const cases: readonly (readonly [string, Fate, string])[] = [
    ['a name written with an escape', 'admitted', escaped],
    ['aud twice, once with an escape', 'grant_claims', inside('"\\u0061ud":"native"')],
    ['spaces between members', 'admitted', JSON.stringify(claims, null, 1)],
    ['members in another order', 'admitted', JSON.stringify(reversed(claims))],
    ['a byte order mark', 'grant_claims', `\u{feff}${json}`],
    ['something behind it', 'grant_claims', `${json}{}`],
    ['a nought behind it', 'grant_claims', `${json}\0`],
    ['a comma at its end', 'grant_claims', `${json.slice(0, -1)},}`],
    ['a comment', 'grant_claims', `${json.slice(0, -1)}/**/}`],
    ['single quotes', 'grant_claims', json.replaceAll('"', "'")],
    ['a lone surrogate', 'grant_claims', json.replace('agent-1', '\\ud800')],
    ['a noncharacter', 'grant_claims', json.replace('agent-1', '\\uffff')],
    ['a control character in a text', 'grant_claims', json.replace('agent-1', 'agent-1\t')],
    ['70 lists in each other', 'grant_claims', inside(`"x":${'['.repeat(70)}${']'.repeat(70)}`)],
    ['a list around it', 'grant_claims', `[${json}]`],
    ['a text of it', 'grant_claims', JSON.stringify(json)],
    ['nothing', 'grant_claims', ''],
    ['null', 'grant_claims', 'null'],
    ['an empty object', 'grant_claims', '{}'],
    ['a base64url of it once more', 'grant_claims', Buffer.from(json).toString('base64url')],
  ]
  for (const [name, expected, payload] of cases) {
    file.grant(name, expected, sign(signing, payload))
  }
}

const reversed = (object: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(object).toReversed())
