import type { JsonObject } from '@trustgw/protocol'
import { World } from '../world.ts'
import { authenticatorCases, oddPinCases, oddPins, signatureCases } from './assertion-bytes.ts'
import {
  challengeCases,
  clientDataCases,
  clientTextCases,
  statementCases,
} from './assertion-client.ts'
import { evidenceCases } from './assertion-evidence.ts'
import { ApprovalMaker, pinsOf } from './assertion-parts.ts'
import { seededSecrets } from './keys.ts'
import { HostileFile } from './vector-file.ts'

/** The content of `vectors/admission/hostile-assertions.json`: the same at each run. */
export async function makeHostileAssertions(): Promise<JsonObject> {
  const world = new World(undefined, undefined, seededSecrets('hostile assertions'))
  world.pins = pinsOf(oddPins())
  const file = new HostileFile(world)
  const maker = new ApprovalMaker(file)
  file.from('approved with a passkey', await maker.granted())
  clientDataCases(maker)
  clientTextCases(maker)
  challengeCases(maker)
  statementCases(maker)
  authenticatorCases(maker)
  signatureCases(maker)
  oddPinCases(maker)
  evidenceCases(maker)
  return file.document(
    'Forged, mutated and misplaced passkey assertions, each under a genuine grant that names it, and what an executor that trusts these keys and pins and pinned this policy makes of it at now_ms (spec/protocol.md section 4, step 4). How a case makes its message of a whole one stands in vectors/README.md.',
  )
}
