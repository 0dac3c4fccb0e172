import { base64urlEncode, hashText, type JsonObject, type SignedStatement } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { NOW, ORIGIN, RP_ID, TENANT } from '../world.ts'
import type { ApprovalMaker, Attempt } from './assertion-parts.ts'
import { sha } from './keys.ts'
import { doubled } from './tokens.ts'
import type { Fate } from './vector-file.ts'

const OTHER = hashText(sha256, 'another')
const NONCE = base64urlEncode(sha('other nonce').subarray(16))

/** Origins that are not the pinned one, however alike. */
const ORIGINS: readonly string[] = [
  '',
  'null',
  'http://localhost',
  'http://localhost:80',
  'http://localhost:8081',
  'http://localhost:08080',
  'http://localhost:8080/',
  'http://localhost:8080/portal',
  'http://localhost:8080?',
  'http://localhost:8080#',
  'http://localhost:8080.evil.example',
  'http://localhost:8080@evil.example',
  'http://evil.example@localhost:8080',
  'http://localhost.:8080',
  'http://localhost.evil.example:8080',
  'http://portal.localhost:8080',
  'http://evil-localhost:8080',
  'http://LOCALHOST:8080',
  'HTTP://localhost:8080',
  'https://localhost:8080',
  'ws://localhost:8080',
  'http:localhost:8080',
  'http:/localhost:8080',
  'http:\\\\localhost:8080',
  '//localhost:8080',
  'localhost:8080',
  'localhost',
  'http://127.0.0.1:8080',
  'http://[::1]:8080',
  'http://0x7f000001:8080',
  'http://2130706433:8080',
  'http://localhos\u0442:8080',
  'http://xn--localhos-6jh:8080',
  'http://ｌocalhost:8080',
  'http://local\u{200b}host:8080',
  'http://local\u{ad}host:8080',
  'http://localhost%2e:8080',
  'http://localhost:8080%00',
  'http://localhost:8080\0',
  ' http://localhost:8080',
  'http://localhost:8080 ',
  'http://localhost:8080\n',
  'http://localhost:8080,http://evil.example',
  'file://',
  'data:text/html,x',
  'about:blank',
  'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
  'android:apk-key-hash:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  'ios:bundle-id:example.app',
  'https://approve.example',
  '*',
]
const TYPES = ['', 'webauthn.create', 'payment.get', 'payment.create', 'navigator.id.getAssertion']
const TYPES_ALIKE = ['webauthn.get ', ' webauthn.get', 'WEBAUTHN.GET', 'webauthn', 'webauthn.get\0']
const WRONG_TYPES = [null, 1, true, ['webauthn.get'], { get: 1 }]

export function clientDataCases(maker: ApprovalMaker): void {
  const add = (name: string, expected: Fate, client: JsonObject): void =>
    maker.add(name, expected, { client })
  maker.file.group('client data')
  for (const type of [...TYPES, ...TYPES_ALIKE, ...WRONG_TYPES]) {
    add(`type ${JSON.stringify(type)}`, 'assertion_type', { type })
  }
  for (const origin of [...ORIGINS, null, 1, true, [ORIGIN], { origin: ORIGIN }]) {
    add(`origin ${JSON.stringify(origin)}`, 'assertion_origin', { origin })
  }
  for (const crossOrigin of [true, null, 'false', 'true', '', 0, 1, [], {}]) {
    const name = `crossOrigin ${JSON.stringify(crossOrigin)}`
    add(name, 'assertion_cross_origin', { crossOrigin })
  }
  for (const topOrigin of [ORIGIN, 'https://evil.example', '', null, false, []]) {
    add(`topOrigin ${JSON.stringify(topOrigin)}`, 'assertion_cross_origin', { topOrigin })
    const both = { topOrigin, crossOrigin: true }
    add(`topOrigin ${JSON.stringify(topOrigin)}, crossOrigin`, 'assertion_cross_origin', both)
  }
  for (const [member, expected] of [
    ['type', 'assertion_type'],
    ['challenge', 'assertion_other_action'],
    ['origin', 'assertion_origin'],
    ['crossOrigin', 'admitted'],
  ] as const) {
    const renamed = { from: `"${member}":`, to: `"${member.toUpperCase()}":` }
    maker.add(`no ${member}`, expected, { client: { [member]: undefined as never } })
    maker.add(`${member} in upper case`, expected, {
      clientText: (text) => text.replace(renamed.from, renamed.to),
    })
    maker.add(`${member} twice`, 'assertion_malformed', {
      clientText: (text) => doubled(JSON.parse(text), member),
    })
  }
  add('a member that is not known yet', 'admitted', { other_keys_can_be_added_here: 'x' })
  add('tokenBinding', 'admitted', { tokenBinding: { status: 'supported' } })
}

/** Texts in place of the client data: signed as they are, so that only their form is wrong. */
export function clientTextCases(maker: ApprovalMaker): void {
  const cases: readonly (readonly [string, Fate, (text: string) => string])[] = [
    ['spaces between members', 'admitted', (text) => text.replaceAll(',', ' , ')],
    ['a name written with an escape', 'admitted', (text) => text.replace('"type"', '"t\\u0079pe"')],
    ['an origin written with escapes', 'admitted', (text) => text.replaceAll('/', '\\/')],
    ['type twice, once with an escape', 'assertion_malformed', more('"t\\u0079pe":"webauthn.get"')],
    [
      'origin twice, the good one last',
      'assertion_malformed',
      (text) => text.replace('{', '{"origin":"https://evil.example",'),
    ],
    ['challenge twice, the good one first', 'assertion_malformed', more('"challenge":"AAAA"')],
    ['crossOrigin twice, true last', 'assertion_malformed', more('"crossOrigin":true')],
    ['a member __proto__', 'admitted', more('"__proto__":{"crossOrigin":true}')],
    ['members in a __proto__', 'assertion_type', (text) => `{"__proto__":${text}}`],
    ['a byte order mark', 'assertion_malformed', (text) => `\u{feff}${text}`],
    ['something behind it', 'assertion_malformed', (text) => `${text}x`],
    ['a nought behind it', 'assertion_malformed', (text) => `${text}\0`],
    ['two of it', 'assertion_malformed', (text) => text + text],
    ['a list around it', 'assertion_malformed', (text) => `[${text}]`],
    ['a text of it', 'assertion_malformed', (text) => JSON.stringify(text)],
    ['its end missing', 'assertion_malformed', (text) => text.slice(0, -1)],
    ['a comma at its end', 'assertion_malformed', (text) => `${text.slice(0, -1)},}`],
    ['a comment', 'assertion_malformed', (text) => text.replace('{', '{/**/')],
    ['single quotes', 'assertion_malformed', (text) => text.replaceAll('"', "'")],
    ['no quotes', 'assertion_malformed', (text) => text.replace('"type"', 'type')],
    ['a lone surrogate', 'assertion_malformed', more('"x":"\\ud800"')],
    ['a noncharacter', 'assertion_malformed', more('"x":"\\uffff"')],
    ['a line feed in a text', 'assertion_malformed', more('"x":"\n"')],
    ['-0', 'assertion_malformed', more('"x":-0')],
    ['1e400', 'assertion_malformed', more('"x":1e400')],
    ['2^53 + 1', 'assertion_malformed', more('"x":9007199254740993')],
    ['NaN', 'assertion_malformed', more('"x":NaN')],
    ['64 levels', 'admitted', more(`"x":${'['.repeat(63)}${']'.repeat(63)}`)],
    ['65 levels', 'assertion_malformed', more(`"x":${'['.repeat(64)}${']'.repeat(64)}`)],
    ['null', 'assertion_malformed', () => 'null'],
    ['an empty object', 'assertion_type', () => '{}'],
    ['a number', 'assertion_malformed', () => '7'],
    ['a space', 'assertion_malformed', () => ' '],
    ['nothing', 'message_malformed', () => ''],
    ['3 072 bytes', 'admitted', (text) => text + ' '.repeat(3_072 - text.length)],
    ['3 073 bytes', 'message_malformed', (text) => text + ' '.repeat(3_073 - text.length)],
  ]
  maker.file.group('text of the client data')
  for (const [name, expected, clientText] of cases) maker.add(name, expected, { clientText })
  maker.add('a byte that is not UTF-8', 'assertion_malformed', {
    client: Buffer.from('{"type":"webauthn.get","x":"\u00ff"}', 'latin1'),
  })
  maker.add('UTF-16', 'assertion_malformed', { client: Buffer.from('{"type":1}', 'utf16le') })
}

const more = (member: string) => (text: string) => `${text.slice(0, -1)},${member}}`

/** Challenges that are of nothing, of something else, or the right one in another form. */
export function challengeCases(maker: ApprovalMaker): void {
  const good = maker.challenge(maker.statement())
  const text = base64urlEncode(good)
  const other = 'assertion_other_action'
  maker.file.group('challenge')
  const texts: Readonly<Record<string, string>> = {
    'with padding': `${text}=`,
    'in plain base64': Buffer.from(good).toString('base64'),
    'in hexadecimal': Buffer.from(good).toString('hex'),
    'in hexadecimal, with its name': `sha256:${Buffer.from(good).toString('hex')}`,
    'encoded twice': base64urlEncode(Buffer.from(text)),
    'a character less': text.slice(0, -1),
    'a character more': `${text}A`,
    'a space behind it': `${text} `,
    'other bits behind its last byte': text.slice(0, -1) + nextOf(text.slice(-1)),
    'in lower case': text.toLowerCase(),
    'of its first half': base64urlEncode(good.subarray(0, 16)),
    'of its bytes in reverse': base64urlEncode(Uint8Array.from(good).toReversed()),
    'of the hash of the hash': base64urlEncode(sha(good)),
    'of noughts': base64urlEncode(new Uint8Array(32)),
    'of the nonce': maker.statement().nonce,
    'of nothing': '',
  }
  for (const [name, challenge] of Object.entries(texts)) {
    maker.add(name, other, { client: { challenge } })
  }
  for (const challenge of [null, 1, [text], { text }]) {
    maker.add(`not a text: ${JSON.stringify(challenge)}`, other, { client: { challenge } })
  }
  maker.add('of the decision', other, { challenge: hashBytes(maker.decision.input_hash) })
  maker.add('of the contract', other, { challenge: hashBytes(maker.decision.contract_hash) })
}

const hashBytes = (hash: string): Uint8Array => Buffer.from(hash.slice('sha256:'.length), 'hex')

function nextOf(character: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return alphabet.charAt(alphabet.indexOf(character) + 1)
}

/** Every other statement of the registry (spec/protocol.md §3), and this one with another member. */
export function statementCases(maker: ApprovalMaker): void {
  const others: Readonly<Record<string, SignedStatement>> = {
    'a login': {
      ...{ typ: 'trustgw/login/1', tenant: TENANT, origin: ORIGIN, rp_id: RP_ID },
      ...{ nonce: NONCE, expires_at: NOW + 60_000 },
    },
    'an enrolment of an approval key': {
      ...{ typ: 'trustgw/enrol/1', tenant: TENANT, person: 'ana', purpose: 'approval' },
      ...{ nonce: NONCE, expires_at: NOW + 60_000 },
    },
    'an enrolment of a login key': {
      ...{ typ: 'trustgw/enrol/1', tenant: TENANT, person: 'ana', purpose: 'login' },
      ...{ nonce: NONCE, expires_at: NOW + 60_000 },
    },
    'a policy bundle': {
      ...{ typ: 'trustgw/bundle/1', tenant: TENANT, epoch: 2, bundle_hash: OTHER },
      ...{ issued_at: NOW, admin: 'ana', nonce: NONCE },
    },
  }
  maker.file.group('signed over another statement')
  const kinds = ['ES256', 'EdDSA', 'RS256'] as const
  for (const kind of kinds) {
    for (const [name, statement] of Object.entries(others)) {
      const attempt: Attempt = { kind, challenge: maker.challenge(statement) }
      maker.add(`${name}, ${kind}`, 'assertion_other_action', attempt)
      const create = { ...attempt, client: { type: 'webauthn.create' } }
      maker.add(`${name}, as a registration, ${kind}`, 'assertion_type', create)
    }
    maker.add(`a deny, ${kind}`, 'assertion_is_a_deny', { kind, statement: { verdict: 'deny' } })
  }
  const action = 'act_aaaaaaaaaaaaaaaaaaaaaaaaaa' as never
  const { principal } = maker.decision
  const { decide_by, run_by } = maker.statement()
  const changes: readonly NonNullable<Attempt['statement']>[] = [
    { typ: 'trustgw/approval/2' as never },
    { action_id: action },
    { tenant: 'other' as never },
    { workspace: 'other' },
    { principal: { ...principal, tenant: 'other' as never } },
    { principal: { ...principal, issuer: 'nats' } },
    { principal: { ...principal, client: 'key-2' } },
    { principal: { ...principal, subject: 'agent-2' } },
    { on_behalf_of: 'ceo' },
    { credential_ref: 'bank' },
    { tool_id: 'shop.wipe' },
    { contract_hash: OTHER },
    { input_hash: OTHER },
    { precondition_hash: OTHER },
    { rule_id: 'vouched' },
    { policy_fingerprint: OTHER },
    { tier: 1 },
    { tier: 3 },
    { verdict: 'Approve' as never },
    { approver: 'eddy' },
    { decide_by: decide_by - 1 },
    { run_by: run_by + 1 },
    { nonce: NONCE },
    { extra: true } as never,
  ]
  for (const statement of changes) {
    maker.add(`with ${JSON.stringify(statement)}`, 'assertion_other_action', { statement })
  }
}
