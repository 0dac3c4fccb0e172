import {
  type ApprovalMaker,
  type Attempt,
  DIGEST_INFO,
  derOf,
  ES256_KEY,
  GOOD_FLAGS,
  integerOf,
  type Kind,
  type OddPin,
  PASSKEYS,
  paddedMessage,
  RSA_KEY,
  USER_PRESENT,
  USER_VERIFIED,
} from './assertion-parts.ts'
import {
  bytesOfBig,
  type CoseMember,
  cose,
  type Ecdsa,
  ED25519_ORDER,
  halfOf,
  P256_ORDER,
  RSA_BYTES,
  SMALL_ORDER_POINTS,
  scalarOf,
  seededP256,
  seededSigningKey,
  sha,
} from './keys.ts'
import type { Fate } from './vector-file.ts'

const BACKUP_ELIGIBLE = 0x08
const BACKED_UP = 0x10
const ATTESTED = 0x40
const EXTENSIONS = 0x80

/** Whether the user was there, what the authenticator says beside it, and for whom. */
export function authenticatorCases(maker: ApprovalMaker): void {
  maker.file.group('flags')
  const flags: readonly (readonly [string, number, Fate])[] = [
    ['none', 0, 'assertion_user_not_present'],
    ['user present, not verified', USER_PRESENT, 'assertion_user_not_verified'],
    ['user verified, not present', USER_VERIFIED, 'assertion_user_not_present'],
    ['backup eligible alone', BACKUP_ELIGIBLE, 'assertion_user_not_present'],
    ['eligible and backed up', GOOD_FLAGS | BACKUP_ELIGIBLE | BACKED_UP, 'admitted'],
    ['eligible', GOOD_FLAGS | BACKUP_ELIGIBLE, 'admitted'],
    ['backed up, not eligible', GOOD_FLAGS | BACKED_UP, 'assertion_malformed'],
    ['eligible and backed up, not verified', 0x19, 'assertion_user_not_verified'],
    ['reserved bit 1', GOOD_FLAGS | 0x02, 'assertion_malformed'],
    ['reserved bit 5', GOOD_FLAGS | 0x20, 'assertion_malformed'],
    ['attested data', GOOD_FLAGS | ATTESTED, 'assertion_malformed'],
    ['extensions that are not there', GOOD_FLAGS | EXTENSIONS, 'assertion_malformed'],
    ['attested data and extensions', GOOD_FLAGS | ATTESTED | EXTENSIONS, 'assertion_malformed'],
    ['all', 0xff, 'assertion_malformed'],
  ]
  for (const [name, value, expected] of flags) maker.add(name, expected, { flags: value })
  maker.file.group('authenticator data')
  const add = (name: string, expected: Fate, edit: (good: Buffer) => Uint8Array): void =>
    maker.add(name, expected, { authenticatorData: edit })
  const withMore = (flag: number, more: Uint8Array) => (good: Buffer) =>
    Buffer.concat([good.subarray(0, 32), Buffer.of(flag), good.subarray(33), more])
  const extensions = GOOD_FLAGS | EXTENSIONS
  add('a byte less', 'message_malformed', (good) => good.subarray(0, 36))
  add('nothing', 'message_malformed', () => new Uint8Array())
  add('the hash alone', 'message_malformed', (good) => good.subarray(0, 32))
  add('a byte more', 'assertion_malformed', withMore(GOOD_FLAGS, Buffer.of(0)))
  add('extensions without their flag', 'assertion_malformed', withMore(GOOD_FLAGS, Buffer.of(0xa0)))
  add('extensions with their flag', 'admitted', withMore(extensions, Buffer.of(0xa0)))
  add('a key behind it, as in a registration', 'assertion_malformed', (good) =>
    withMore(
      GOOD_FLAGS | ATTESTED,
      Buffer.concat([new Uint8Array(18), PASSKEYS.ES256.public_key]),
    )(good),
  )
  add('1 024 bytes', 'admitted', withMore(extensions, new Uint8Array(987)))
  add('1 025 bytes', 'assertion_malformed', withMore(extensions, new Uint8Array(988)))
  add('a counter that is not 0', 'admitted', (good) =>
    Buffer.concat([good.subarray(0, 33), Buffer.of(0, 0, 0, 9)]),
  )
  add('twice', 'assertion_malformed', (good) => Buffer.concat([good, good]))
  add('the hash in reverse', 'assertion_rp_id', (good) =>
    Buffer.concat([Uint8Array.from(good.subarray(0, 32)).toReversed(), good.subarray(32)]),
  )
  add('a hash of noughts', 'assertion_rp_id', (good) =>
    Buffer.concat([new Uint8Array(32), good.subarray(32)]),
  )
  add('a bit of the hash', 'assertion_rp_id', (good) => good.with(0, (good[0] ?? 0) ^ 1))
  maker.file.group('RP ID')
  const ids = ['', 'LOCALHOST', 'localhost.', '.localhost', 'portal.localhost', 'localhost:8080']
  const more = ['http://localhost:8080', 'localhost\0', 'approve.example', 'example', '127.0.0.1']
  for (const rpId of [...ids, ...more]) maker.add(JSON.stringify(rpId), 'assertion_rp_id', { rpId })
}

/** Signatures of every supported kind that are not over the right bytes. */
export function signatureCases(maker: ApprovalMaker): void {
  for (const kind of ['ES256', 'EdDSA', 'RS256'] as const) {
    const add = (name: string, attempt: Attempt, expected: Fate = 'assertion_signature'): void =>
      maker.add(name, expected, { kind, ...attempt })
    maker.file.group(`signature, ${kind}`)
    add('as it should be', {}, 'admitted')
    add('over the hash of the client data alone', { signed: (_, client) => sha(client) })
    add('over the authenticator data alone', { signed: (data) => data })
    add('over both in the other order', {
      signed: (data, client) => Buffer.concat([sha(client), data]),
    })
    add('over the client data, not its hash', {
      signed: (data, client) => Buffer.concat([data, client]),
    })
    add('over the hash of both', { signed: (data, client) => sha(data, sha(client)) })
    add('over nothing', { signed: () => new Uint8Array() })
    add('without its last byte', { signature: (signed, key) => key.sign(signed).slice(0, -1) })
    add('without its first byte', { signature: (signed, key) => key.sign(signed).slice(1) })
    add('with a byte behind it', {
      signature: (s, key) => Buffer.concat([key.sign(s), Buffer.of(0)]),
    })
    add('with a byte before it', {
      signature: (s, key) => Buffer.concat([Buffer.of(0), key.sign(s)]),
    })
    add('twice', { signature: (s, key) => Buffer.concat([key.sign(s), key.sign(s)]) })
    add('with another bit', { signature: (s, key) => turned(key.sign(s)) })
    add('in reverse', { signature: (s, key) => Uint8Array.from(key.sign(s)).toReversed() })
    add('of noughts', { signature: (s, key) => new Uint8Array(key.sign(s).length) })
    add('of ones', { signature: (s, key) => new Uint8Array(key.sign(s).length).fill(255) })
    add('of one byte', { signature: () => Buffer.of(0) })
    add('of nothing', { signature: () => new Uint8Array() }, 'message_malformed')
    for (const other of ['ES256', 'EdDSA', 'RS256'] as const) {
      if (other === kind) continue
      add(`by a key of ${other}`, { signature: (signed) => PASSKEYS[other].sign(signed) })
    }
  }
  const stranger = seededP256('a stranger')
  maker.file.group('signature of a stranger')
  maker.add('ES256', 'assertion_signature', { signature: (signed) => derOf(stranger.sign(signed)) })
  const ed = seededSigningKey(sha('a stranger'))
  maker.add('EdDSA', 'assertion_signature', { kind: 'EdDSA', signature: ed.signBytes })
  derCases(maker)
  edwardsCases(maker)
  rsaCases(maker)
}

const turned = (bytes: Uint8Array): Uint8Array => {
  const at = bytes.length - 1
  return Uint8Array.from(bytes).with(at, (bytes[at] ?? 0) ^ 1)
}

/** Other ways to write the two numbers of a good signature: only one is taken. */
function derCases(maker: ApprovalMaker): void {
  const add = (
    name: string,
    write: (pair: Ecdsa) => Uint8Array,
    expected: Fate = 'assertion_signature',
  ): void => maker.add(name, expected, { signature: (signed) => write(ES256_KEY.sign(signed)) })
  const sequence = (...parts: readonly Uint8Array[]): Buffer => {
    const body = Buffer.concat(parts)
    return Buffer.concat([Buffer.of(0x30, body.length), body])
  }
  const raw = (value: bigint): Buffer => bytesOfBig(value, 32)
  const integer = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.of(2, bytes.length), bytes])
  maker.file.group('DER of ES256')
  add('r and s of 32 bytes each, without DER', ({ r, s }) => Buffer.concat([raw(r), raw(s)]))
  add('a nought too much before r', ({ r, s }) =>
    sequence(integer(Buffer.concat([Buffer.alloc(2), raw(r)])), integerOf(s)),
  )
  add('a nought too much before s', ({ r, s }) =>
    sequence(integerOf(r), integer(Buffer.concat([Buffer.alloc(2), raw(s)]))),
  )
  add('r below zero', ({ r, s }) => sequence(integer(negative(r)), integerOf(s)))
  add('s below zero', ({ r, s }) => sequence(integerOf(r), integer(negative(s))))
  add('something behind s', ({ r, s }) => sequence(integerOf(r), integerOf(s), Buffer.of(0)))
  add('a third number', ({ r, s }) => sequence(integerOf(r), integerOf(s), integerOf(1n)))
  add('one number', ({ r }) => sequence(integerOf(r)))
  add('a length in two bytes', ({ r, s }) => {
    const body = Buffer.concat([integerOf(r), integerOf(s)])
    return Buffer.concat([Buffer.of(0x30, 0x81, body.length), body])
  })
  add('a length in three bytes', ({ r, s }) => {
    const body = Buffer.concat([integerOf(r), integerOf(s)])
    return Buffer.concat([Buffer.of(0x30, 0x82, 0, body.length), body])
  })
  add('no end', ({ r, s }) =>
    Buffer.concat([Buffer.of(0x30, 0x80), integerOf(r), integerOf(s), Buffer.alloc(2)]),
  )
  add('a length that is too much', ({ r, s }) => derOf({ r, s }).with(1, 80))
  add('a length that is too little', ({ r, s }) => derOf({ r, s }).with(1, 60))
  add('a length of r in two bytes', ({ r, s }) => {
    const number = integerOf(r)
    return sequence(Buffer.concat([Buffer.of(2, 0x81), number.subarray(1)]), integerOf(s))
  })
  add('a set', ({ r, s }) => derOf({ r, s }).with(0, 0x31))
  add('texts for numbers', ({ r, s }) => derOf({ r, s }).with(2, 4))
  add('the numbers change places', ({ r, s }) => derOf({ r: s, s: r }))
  add('r is 0', ({ s }) => derOf({ r: 0n, s }))
  add('s is 0', ({ r }) => derOf({ r, s: 0n }))
  add('both are 0', () => derOf({ r: 0n, s: 0n }))
  add('both are 1', () => derOf({ r: 1n, s: 1n }))
  add('r is the order', ({ s }) => derOf({ r: P256_ORDER, s }))
  add('s is the order', ({ r }) => derOf({ r, s: P256_ORDER }))
  add('r and the order', ({ r, s }) => derOf({ r: r + P256_ORDER, s }))
  add('s and the order', ({ r, s }) => derOf({ r, s: s + P256_ORDER }))
  add('r negated', ({ r, s }) => derOf({ r: P256_ORDER - r, s }))
  // ECDSA has two signatures for each, and authenticators give either: single use is not of the signature.
  add('s negated', ({ r, s }) => derOf({ r, s: P256_ORDER - s }), 'admitted')
}

/** Two's complement of the number below zero. */
function negative(value: bigint): Buffer {
  return bytesOfBig(2n ** 264n - value, 33)
}

function edwardsCases(maker: ApprovalMaker): void {
  const add = (name: string, edit: (signature: Uint8Array) => Uint8Array): void =>
    maker.add(name, 'assertion_signature', {
      kind: 'EdDSA',
      signature: (signed, key) => edit(key.sign(signed)),
    })
  const withS = (edit: (s: bigint) => bigint) => (signature: Uint8Array) =>
    Buffer.concat([signature.slice(0, 32), halfOf(edit(scalarOf(signature.slice(32))))])
  maker.file.group('signature of EdDSA')
  add(
    's and the order of the group',
    withS((s) => s + ED25519_ORDER),
  )
  add(
    's negated',
    withS((s) => ED25519_ORDER - s),
  )
  add(
    's is the order',
    withS(() => ED25519_ORDER),
  )
  add(
    's is nothing',
    withS(() => 0n),
  )
  add('the halves change places', (it) => Buffer.concat([it.slice(32), it.slice(0, 32)]))
  for (const point of SMALL_ORDER_POINTS) {
    add(`R of small order ${point}, s is nothing`, () =>
      Buffer.concat([Buffer.from(point, 'hex'), new Uint8Array(32)]),
    )
  }
}

/** Encoded messages that a careless reader takes for PKCS #1 v1.5 (RFC 8017 §8.2.2). */
function rsaCases(maker: ApprovalMaker): void {
  const add = (name: string, encode: (hash: Buffer) => Uint8Array): void =>
    maker.add(name, 'assertion_signature', {
      kind: 'RS256',
      signature: (signed) => RSA_KEY.raw(encode(sha(signed))),
    })
  const info = (hash: Buffer): Buffer => Buffer.concat([DIGEST_INFO, hash])
  const begun = (body: Uint8Array): Buffer =>
    Buffer.concat([body, new Uint8Array(RSA_BYTES - body.length)])
  const noNull = Buffer.from('302f300b0609608648016503040201 0420'.replace(' ', ''), 'hex')
  const sha1 = Buffer.from('3021300906052b0e03021a05000414', 'hex')
  const sha512 = Buffer.from('3051300d060960864801650304020305000440', 'hex')
  maker.file.group('padding of RS256')
  add('no padding', (hash) => Buffer.concat([new Uint8Array(RSA_BYTES - 32), hash]))
  add('the hash without its algorithm', (hash) => paddedMessage(hash))
  add('the algorithm without its null', (hash) => paddedMessage(Buffer.concat([noNull, hash])))
  add('the algorithm of SHA-1', (hash) =>
    paddedMessage(Buffer.concat([sha1, hash.subarray(0, 20)])),
  )
  add('the algorithm of SHA-512', (hash) => paddedMessage(Buffer.concat([sha512, hash, hash])))
  add('block type 2', (hash) => paddedMessage(info(hash)).with(1, 2))
  add('block type 0', (hash) => paddedMessage(info(hash)).with(1, 0))
  add('a padding byte that is not ff', (hash) => paddedMessage(info(hash)).with(9, 0xfe))
  add('no end of the padding', (hash) => paddedMessage(info(hash)).with(RSA_BYTES - 52, 0xff))
  add('eight bytes of padding, and what one likes behind the hash', (hash) =>
    begun(paddedMessage(info(hash), 3 + 8 + 51)),
  )
  add('one byte of padding', (hash) => begun(paddedMessage(info(hash), 3 + 1 + 51)))
  add('something behind the hash', (hash) =>
    paddedMessage(Buffer.concat([info(hash), Buffer.of(0)])),
  )
  add('the hash of something else', (hash) => paddedMessage(info(sha(hash))))
  add('1', () => begun(new Uint8Array()).with(RSA_BYTES - 1, 1))
}

/** Keys that a pin must not be believed with; what an approval under each is signed with is of no account. */
export function oddPins(): readonly OddPin[] {
  const { x, y } = ES256_KEY
  const ec = (...members: readonly CoseMember[]): Buffer => cose([1, 2], [3, -7], ...members)
  const p256Field = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n
  const zeros = Buffer.alloc(32)
  const rsa = (n: Uint8Array, e: Uint8Array): Buffer => cose([1, 3], [3, -257], [-1, n], [-2, e])
  const three = Buffer.of(1, 0, 1)
  const okp = (point: Uint8Array): Buffer => cose([1, 1], [3, -8], [-1, 6], [-2, point])
  const keys: Readonly<Record<string, Uint8Array>> = {
    'off-the-curve': ec([-1, 1], [-2, x], [-3, turned(y)]),
    'point-of-noughts': ec([-1, 1], [-2, zeros], [-3, zeros]),
    'x-beyond-the-field': ec([-1, 1], [-2, bytesOfBig(p256Field, 32)], [-3, y]),
    'compressed-point': ec([-1, 1], [-2, x], [-3, Buffer.of(1)]),
    'p384-by-name': ec([-1, 2], [-2, x], [-3, y]),
    'es256-as-eddsa': cose([1, 2], [3, -8], [-1, 1], [-2, x], [-3, y]),
    'es256-with-d': ec([-1, 1], [-2, x], [-3, y], [-4, zeros]),
    'rsa-1024': rsa(RSA_KEY.n.subarray(0, 128), three),
    'rsa-exponent-3': rsa(RSA_KEY.n, Buffer.of(3)),
    'rsa-exponent-1': rsa(RSA_KEY.n, Buffer.of(1)),
    'rsa-nought-first': rsa(Buffer.concat([Buffer.of(0), RSA_KEY.n]), three),
    'ed25519-31-bytes': okp(new Uint8Array(31)),
    'x25519-by-name': cose([1, 1], [3, -8], [-1, 4], [-2, zeros]),
    hmac: cose([1, 4], [3, 5], [-1, zeros]),
    'no-key': new Uint8Array([0xa0]),
  }
  return [
    ...Object.entries(keys).map(([person, public_key]) => ({ person, public_key })),
    ...SMALL_ORDER_POINTS.map((point, at) => {
      return { person: `ed25519-small-${at}`, public_key: okp(Buffer.from(point, 'hex')) }
    }),
  ]
}

export function oddPinCases(maker: ApprovalMaker): void {
  maker.file.group('pinned key')
  const identity = Buffer.from(SMALL_ORDER_POINTS[0] ?? '', 'hex')
  for (const { person } of oddPins()) {
    const kind: Kind = person.startsWith('rsa') ? 'RS256' : 'ES256'
    const isSmall = person.startsWith('ed25519-small')
    const signature = (): Uint8Array => Buffer.concat([identity, new Uint8Array(32)])
    maker.add(person, 'pins_unreadable', { kind, person, ...(isSmall ? { signature } : {}) })
  }
}
