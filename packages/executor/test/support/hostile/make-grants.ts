import type { GrantedAction } from '@trustgw/protocol'
import { type JsonObject } from '@trustgw/protocol'
import { World } from '../world.ts'
import { decisionCases, documentCases, eventCases, statementCases } from './grant-bindings.ts'
import { claimCases, HEADER, type Signing } from './grant-claims.ts'
import { formatCases, signatureCases } from './grant-forms.ts'
import { argumentCases, messageCases } from './grant-messages.ts'
import { confusionCases, headerCases, inputCases, keyCases } from './grant-tokens.ts'
import { seededSecrets } from './keys.ts'
import { partsOf, rawToken } from './tokens.ts'
import { HostileFile } from './vector-file.ts'

const ARGUMENTS = '{"amount":"250.00","order_id":"ord_1001"}'

/** The content of `vectors/admission/hostile-grants.json`: the same at each run. */
export async function makeHostileGrants(): Promise<JsonObject> {
  const secrets = seededSecrets('hostile grants')
  const world = new World(undefined, undefined, secrets)
  world.pins = []
  const file = new HostileFile(world)
  const signing = (action: GrantedAction): Signing => ({ file, claims: claimsOf(action) })

  const free = await world.granted({ tier: 0 })
  const allowed = signing(free)
  const again = rawToken(
    HEADER,
    { ...allowed.claims, nbf: Number(allowed.claims['iat']) + 1 },
    world.grantKey.sign,
  )
  file.from('allowed by policy', free)
  claimCases(allowed)
  headerCases(allowed)
  confusionCases(allowed)
  keyCases(allowed, secrets.signingKey())
  inputCases(allowed, again)
  formatCases(file, free.grant)
  signatureCases(allowed, free.grant)
  documentCases(allowed, free)
  messageCases(file, free)
  argumentCases(file, ARGUMENTS)
  decisionCases(allowed, free)
  await eventCases(allowed, free)

  const vouched = await world.granted({ tier: 1 })
  file.from('vouched for by the host', vouched)
  statementCases(signing(vouched), vouched)
  return file.document(
    'Forged, mutated and misplaced grants, and what an executor that trusts these keys and pinned this policy makes of each at now_ms (spec/protocol.md section 4). How a case makes its message of a whole one stands in vectors/README.md.',
  )
}

function claimsOf(action: GrantedAction): JsonObject {
  const [, payload] = partsOf(action.grant)
  const claims: JsonObject = JSON.parse(Buffer.from(payload, 'base64url').toString())
  return claims
}
