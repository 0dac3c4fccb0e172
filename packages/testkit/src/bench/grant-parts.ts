/** What grants and assertions cost beside their bare signatures, in CPU time of this process. */
import { createPublicKey, verify } from 'node:crypto'
import { CoseKey, checkAssertion, decodeAssertion } from '@trustgw/executor'
import { base64urlDecode, readGrant, signGrant } from '@trustgw/protocol'
import { SoftwareAuthenticator } from '../software-authenticator.ts'
import { GovernedCall } from './grant-call.ts'
import { compare, type PipelineRow } from './pipeline.ts'
import { median } from './stats.ts'

export interface GrantParts {
  readonly rows: readonly PipelineRow[]
  /** CPU microseconds of a whole allowed call without I/O, and of its signatures alone. */
  readonly call_us: number
  readonly signatures_us: number
}

const ROUNDS = 9
const RP_ID = 'localhost'
const ORIGIN = 'http://localhost:8080'

/** `calls` in each of nine rounds. */
export async function measureGrantParts(calls: number): Promise<GrantParts> {
  const call = new GovernedCall()
  const rounds: (readonly [number, number])[] = []
  for (let round = 0; round <= ROUNDS; round += 1) {
    const whole = await cpuOf(calls, () => call.run())
    rounds.push([whole, await cpuOf(calls, () => call.signatures())])
  }
  const counted = rounds.slice(1)
  return {
    rows: [...grants(call), assertions()],
    call_us: median(counted.map(([us]) => us)),
    signatures_us: median(counted.map(([, us]) => us)),
  }
}

async function cpuOf(times: number, work: () => Promise<void> | void): Promise<number> {
  const before = process.cpuUsage()
  for (let turn = 0; turn < times; turn += 1) await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / times
}

function grants(call: GovernedCall): readonly PipelineRow[] {
  const { claims, sign, keyFor } = call.parts()
  const token = signGrant(claims, 'grant-1', sign)
  const input = token.slice(0, token.lastIndexOf('.'))
  const signature = base64urlDecode(token.slice(input.length + 1)) ?? new Uint8Array()
  const raw = keyFor('grant-1')
  if (raw?.(input, signature) !== true || !readGrant(token, keyFor).ok) throw new TypeError('grant')
  const bytes = token.length
  return [
    {
      what: 'grant checked',
      beside: 'Ed25519 verify',
      bytes,
      ours: () => readGrant(token, keyFor),
      theirs: () => raw(input, signature),
    },
    {
      what: 'grant minted',
      beside: 'Ed25519 sign',
      bytes,
      ours: () => signGrant(claims, 'grant-1', sign),
      theirs: () => sign(input),
    },
  ].map(compare)
}

function assertions(): PipelineRow {
  const passkey = new SoftwareAuthenticator({ algorithm: 'ES256', rpId: RP_ID, origin: ORIGIN })
  const challenge = new Uint8Array(32).fill(7)
  const made = passkey.assert(challenge)
  const decoded = decodeAssertion(made)
  const cose = base64urlDecode(passkey.publicKey) ?? new Uint8Array()
  const key = CoseKey.parse(cose)
  if (decoded === undefined || key === undefined) throw new TypeError('assertion')
  const demand = { key, rp_id: RP_ID, origins: [ORIGIN], challenge }
  if (checkAssertion(decoded, demand) !== undefined) throw new TypeError('assertion')
  const [x, y] = [cose.subarray(10, 42), cose.subarray(45, 77)].map((part) =>
    Buffer.from(part).toString('base64url'),
  )
  const jwk = { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' }
  const bare = createPublicKey({ key: jwk, format: 'jwk' })
  const data = Buffer.concat([decoded.authenticator_data, decoded.client_data_json])
  return compare({
    what: 'assertion checked, ES256',
    beside: 'ECDSA verify',
    bytes: data.length,
    ours: () => checkAssertion(decoded, demand) ?? 'holds',
    theirs: () => verify('sha256', data, bare, decoded.signature),
  })
}
