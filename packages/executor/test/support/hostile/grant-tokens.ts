import { createHmac } from 'node:crypto'
import { base64urlEncode, type JsonObject } from '@trustgw/protocol'
import type { SigningKey } from '@trustgw/runtime'
import { HEADER, type Signing } from './grant-claims.ts'
import { bytesOfBig, seededP256, sha } from './keys.ts'
import { doubled, type Part, partOf, partsOf, rawToken, signed } from './tokens.ts'
import { type Fate, without } from './vector-file.ts'

/** Key ids that nothing may be looked up by. */
const KIDS: readonly string[] = [
  '""',
  '"grant-2"',
  '"host-1"',
  '"audit-1"',
  '"operator-1"',
  '"exec-audit-1"',
  '"GRANT-1"',
  '" grant-1"',
  '"grant-1 "',
  '"grant-1\\n"',
  '"grant-1\\u0000"',
  '"grant-1%00"',
  '"./grant-1"',
  '"../grant-1"',
  '"../../../../dev/null"',
  '"/dev/null"',
  '"file:///dev/null"',
  '"https://keys.example/grant-1"',
  "\"grant-1' OR '1'='1\"",
  '"grant-1\'; DROP TABLE keys; --"',
  '"x\' UNION SELECT \'AA"',
  '"grant-1|cat /etc/passwd"',
  '"$(id)"',
  '"*"',
  '"grant-?"',
  '".*"',
  '"__proto__"',
  '"constructor"',
  '"toString"',
  '"ｇrant-1"',
  '"grаnt-1"',
  '"grant‑1"',
  '1',
  'true',
  'null',
  '["grant-1"]',
  '{"grant-1":1}',
  '{"kid":"grant-1"}',
]
const ALGS: readonly string[] = [
  '"none"',
  '"None"',
  '"NONE"',
  '"nOnE"',
  '""',
  '" EdDSA"',
  '"EdDSA "',
  '"eddsa"',
  '"EDDSA"',
  '"EdDsa"',
  '"Ed25519"',
  '"Ed448"',
  '"ed25519"',
  '"HS256"',
  '"HS384"',
  '"HS512"',
  '"ES256"',
  '"ES256K"',
  '"ES512"',
  '"RS256"',
  '"PS256"',
  '"RSA-OAEP"',
  '"dir"',
  'null',
  'true',
  '0',
  '-8',
  '["EdDSA"]',
  '{"EdDSA":1}',
]
/** Every kind of document of the protocol but the grant, and what looks like one. */
export const OTHER_TYPS: readonly string[] = [
  'execution-result+jwt',
  'approval-decision+jwt',
  'approval-statement+jwt',
  'tool-registry+jwt',
  'agent-record+jwt',
  'policy-seal+jwt',
  'policy-delegation+jwt',
  'policy-status+jwt',
  'acl-record+jwt',
  'approval-record+jwt',
  'session+jwt',
]
const TYPS: readonly string[] = [
  ...['', 'JWT', 'jwt', 'at+jwt', 'JOSE', 'execution-grant', 'execution-grant+JWT'],
  ...['Execution-Grant+jwt', 'application/execution-grant+jwt', 'execution-grant+jwt '],
  ...['execution-grant+jws', 'execution-grant+jwt;v=1', 'trustgw/approval/1'],
].map((typ) => JSON.stringify(typ))

const headerText = (change: Readonly<Record<string, string>>): string => {
  const members = { ...HEADER_TEXTS, ...change }
  return `{${Object.entries(members)
    .map(([name, text]) => `"${name}":${text}`)
    .join()}}`
}
const HEADER_TEXTS = {
  alg: '"EdDSA"',
  kid: '"grant-1"',
  typ: '"execution-grant+jwt"',
} as const

export function headerCases(signing: Signing): void {
  const { file, claims } = signing
  const { sign } = file.world.grantKey
  const add = (name: string, expected: Fate, header: Part): void =>
    file.grant(name, expected, rawToken(header, claims, sign))
  file.group('header')
  for (const [name, fate] of [
    ['alg', 'grant_alg'],
    ['kid', 'grant_header_member'],
    ['typ', 'grant_header_member'],
  ] as const) {
    add(`no ${name}`, fate, without(HEADER, name))
    add(`${name} twice`, 'grant_format', doubled(HEADER, name))
    add(`${name} in upper case`, name === 'alg' ? 'grant_alg' : 'grant_header_member', {
      ...without(HEADER, name),
      [name.toUpperCase()]: HEADER[name] ?? '',
    })
  }
  for (const alg of ALGS) add(`alg ${alg}`, 'grant_alg', headerText({ alg }))
  for (const kid of KIDS) add(`kid ${kid}`, 'grant_key_unknown', headerText({ kid }))
  add('a kid of 129 characters', 'grant_key_unknown', { ...HEADER, kid: 'k'.repeat(129) })
  for (const typ of [...TYPS, 'null', '1', '["execution-grant+jwt"]']) {
    add(`typ ${typ}`, 'grant_typ', headerText({ typ }))
  }
  for (const typ of OTHER_TYPS) add(`a grant as ${typ}`, 'grant_typ', { ...HEADER, typ })
  memberCases(signing, add)
  textCases(add)
}

type Add = (name: string, expected: Fate, header: Part) => void

/** Members of RFC 7515 and others that change what a careless reader does, each signed genuinely. */
function memberCases({ file }: Signing, add: Add): void {
  const x = base64urlEncode(file.world.grantKey.publicKey)
  const members: readonly (readonly [string, Part])[] = [
    ['jwk', { kty: 'OKP', crv: 'Ed25519', x }],
    ['jwk', {}],
    ['jku', 'https://keys.example/jwks.json'],
    ['x5u', 'https://keys.example/cert.pem'],
    ['x5c', ['MIIB']],
    ['x5t', 'AAAA'],
    ['x5t#S256', 'AAAA'],
    ['crit', []],
    ['crit', ['exp']],
    ['crit', ['b64']],
    ['crit', ['alg', 'kid', 'typ']],
    ['b64', true],
    ['b64', false],
    ['cty', 'JWT'],
    ['zip', 'DEF'],
    ['enc', 'A256GCM'],
    ['epk', {}],
    ['p2c', 1_000_000],
    ['nonce', 'AAAA'],
    ['url', 'https://keys.example'],
    ['iss', 'trustgw/gateway'],
    ['aud', 'connector'],
    ['exp', 9_999_999_999],
    ['Alg', 'none'],
    ['kid2', 'grant-1'],
    ['', 'grant-1'],
  ]
  for (const [name, value] of members) {
    const header = { ...HEADER, [name]: value }
    add(`a member "${name}" more, ${JSON.stringify(value)}`, 'grant_header_member', header)
  }
  const json = JSON.stringify(HEADER)
  add('a member "__proto__" more', 'grant_header_member', `${json.slice(0, -1)},"__proto__":{}}`)
}

function textCases(add: Add): void {
  const json = JSON.stringify(HEADER)
  const inside = (more: string): string => `${json.slice(0, -1)},${more}}`
  const { alg = '', kid = '', typ = '' } = HEADER
  add('members in another order', 'admitted', { typ, kid, alg })
  add('spaces between members', 'admitted', JSON.stringify(HEADER, null, 1))
  add('a name written with an escape', 'admitted', json.replace('"alg"', '"\\u0061lg"'))
  add('alg twice, once with an escape', 'grant_format', inside('"\\u0061lg":"none"'))
  add('a byte order mark', 'grant_format', `\u{feff}${json}`)
  add('something behind it', 'grant_format', `${json} x`)
  add('a list around it', 'grant_format', `[${json}]`)
  add('a text of it', 'grant_format', JSON.stringify(json))
  add('null', 'grant_format', 'null')
  add('a number', 'grant_format', '7')
  add('no JSON', 'grant_format', 'EdDSA')
  add('an empty object', 'grant_alg', '{}')
  add('a lone surrogate', 'grant_format', inside('"x":"\\udc00"'))
  add('-0', 'grant_format', inside('"x":-0'))
  add('1e400', 'grant_format', inside('"x":1e400'))
  add('nine levels', 'grant_format', inside(`"x":${'['.repeat(8)}${']'.repeat(8)}`))
  add('eight levels', 'grant_header_member', inside(`"x":${'['.repeat(7)}${']'.repeat(7)}`))
  add('513 characters', 'grant_too_large', inside(`"x":"${'x'.repeat(320)}"`))
}

const ALGORITHMS_OF_SECRETS = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' } as const

/** Signatures of another kind under an `alg` that says so, with the public key as the secret. */
export function confusionCases({ file, claims }: Signing): void {
  const { grantKey } = file.world
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), grantKey.publicKey])
  const pem = `-----BEGIN PUBLIC KEY-----\n${spki.toString('base64')}\n-----END PUBLIC KEY-----\n`
  const x = base64urlEncode(grantKey.publicKey)
  const secrets: readonly (readonly [string, string | Uint8Array])[] = [
    ['the bytes of the public key', grantKey.publicKey],
    ['the base64url of the public key', x],
    ['the hexadecimal of the public key', Buffer.from(grantKey.publicKey).toString('hex')],
    ['the DER of the public key', spki],
    ['the PEM of the public key', pem],
    ['the JWK of the public key', JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x })],
    ['an empty secret', ''],
  ]
  file.group('signature of another kind')
  for (const [alg, digest] of Object.entries(ALGORITHMS_OF_SECRETS)) {
    for (const [name, secret] of secrets) {
      const mac = (input: string): Uint8Array =>
        padded(createHmac(digest, secret).update(input).digest())
      const token = rawToken({ ...HEADER, alg }, claims, mac)
      file.grant(`${alg} with ${name}`, 'grant_alg', token)
    }
  }
  const bare = rawToken({ ...HEADER, alg: 'HS256' }, claims, (input) =>
    createHmac('sha256', grantKey.publicKey).update(input).digest(),
  )
  file.grant('HS256 with its own 32 bytes', 'grant_format', bare)
  const { sign } = seededP256('a stranger')
  const ecdsa = (input: string): Uint8Array => {
    const { r, s } = sign(Buffer.from(input))
    return Buffer.concat([bytesOfBig(r, 32), bytesOfBig(s, 32)])
  }
  file.grant('ES256', 'grant_alg', rawToken({ ...HEADER, alg: 'ES256' }, claims, ecdsa))
  file.grant('ES256 that says EdDSA', 'grant_signature', rawToken(HEADER, claims, ecdsa))
  const none = `${partOf({ ...HEADER, alg: 'none' })}.${partOf(claims)}.`
  file.grant('none, and no signature', 'grant_format', none)
  file.grant('EdDSA, and no signature', 'grant_format', `${partOf(HEADER)}.${partOf(claims)}.`)
  const rsa = rawToken({ ...HEADER, alg: 'RS256' }, claims, () => new Uint8Array(256).fill(7))
  file.grant('RS256 of 256 bytes', 'grant_format', rsa)
}

/** As long as a signature is, so that its length is not what refuses it. */
const padded = (mac: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(64)
  bytes.set(mac)
  return bytes
}

/** Other keys of the installation, and a stranger's, with a header that says it is the gateway's. */
export function keyCases({ file, claims }: Signing, stranger: SigningKey): void {
  const { world } = file
  const others: Readonly<Record<string, SigningKey>> = {
    "the host's": world.hostKey,
    "the gateway's audit": world.auditKey,
    "the executor's result": world.resultKey,
    "the executor's audit": world.execAuditKey,
    "the operator's": world.operatorKey,
    "a stranger's": stranger,
  }
  file.group('key')
  for (const [name, key] of Object.entries(others)) {
    file.grant(`${name} key`, 'grant_signature', rawToken(HEADER, claims, key.sign))
  }
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: base64urlEncode(stranger.publicKey) }
  const add = (name: string, expected: Fate, header: JsonObject): void =>
    file.grant(name, expected, rawToken(header, claims, stranger.sign))
  add('its own in the header', 'grant_header_member', { ...HEADER, jwk })
  add('its own in the header, no kid', 'grant_header_member', { ...without(HEADER, 'kid'), jwk })
  add('its own as kid', 'grant_key_unknown', { ...HEADER, kid: jwk.x })
}

/** The signature is over something else than header, dot and payload as they stand. */
export function inputCases({ file, claims }: Signing, other: string): void {
  const { sign } = file.world.grantKey
  const [header, payload] = [partOf(HEADER), partOf(claims)]
  const input = `${header}.${payload}`
  const over = (text: string): string => `${input}.${base64urlEncode(sign(text))}`
  const [, otherPayload, otherSignature] = partsOf(other)
  const spaced = partOf(JSON.stringify(HEADER, null, 1))
  const good = signed(input, sign)
  const [, , signature] = partsOf(good)
  file.group('signed over something else')
  const cases: readonly (readonly [string, string])[] = [
    ['the payload alone', over(payload)],
    ['the header alone', over(header)],
    ['no dot between', over(header + payload)],
    ['a dot at the end', over(`${input}.`)],
    ['a line feed at the end', over(`${input}\n`)],
    ['the payload before it is encoded', over(`${header}.${JSON.stringify(claims)}`)],
    ['the hash of it in hexadecimal', over(sha(input).toString('hex'))],
    ['the payload of another grant', `${header}.${otherPayload}.${signature}`],
    ['another grant, whose signature it is', `${input}.${otherSignature}`],
    ['another header of the same meaning', `${spaced}.${payload}.${signature}`],
    [
      'another payload of the same meaning',
      `${header}.${partOf(JSON.stringify(claims, null, 1))}.${signature}`,
    ],
    ['nothing', over('')],
  ]
  for (const [name, token] of cases) file.grant(name, 'grant_signature', token)
  file.grant(
    'header and payload change places',
    'grant_too_large',
    `${payload}.${header}.${signature}`,
  )
  file.grant('detached payload', 'grant_signature', `${header}..${signature}`)
}
