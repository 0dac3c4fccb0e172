import { type ApprovalEvidence, type JsonObject, statementHash } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { SoftwareAuthenticator } from '@trustgw/testkit/software-authenticator'
import type { AdmissionReason } from '../../src/admit/reasons.ts'
import { VectorFile } from './make-vectors.ts'
import { type Change, ORIGIN, REFUND, RP_ID, World } from './world.ts'

const ARGUMENTS = '{"amount":"250.00","order_id":"ord_1001"}'

const asks = (role: string): string => `
version = 1

[[rules]]
id        = "${role}-clicks"
priority  = 1
effect    = "require_approval"
tier      = 1
approvers = { roles = ["${role}"] }
match     = { source = ["nats"] }

[[rules]]
id        = "${role}"
priority  = 2
effect    = "require_approval"
tier      = 2
approvers = { roles = ["${role}"] }
match     = { tool = ["**"] }
`

const PEOPLE = {
  ann: ['finance'],
  ben: ['legal'],
  cem: ['finance', 'legal'],
  dan: ['sales'],
} as const
type Person = keyof typeof PEOPLE

/** A platform that asks finance, a tenant that asks legal, and people with a passkey each. */
class ClauseWorld extends World {
  readonly #keys = new Map<Person, SoftwareAuthenticator>()

  constructor() {
    super(REFUND)
    this.govern([{ text: asks('finance') }, { text: asks('legal'), layer: 'tenant' }])
    this.pins = (['ann', 'ben', 'cem', 'dan'] as const).map((person) => {
      const key = new SoftwareAuthenticator({ algorithm: 'ES256', rpId: RP_ID, origin: ORIGIN })
      this.#keys.set(person, key)
      const { credentialId: credential_id, publicKey: public_key } = key
      return this.pin({ person, roles: PEOPLE[person], credential_id, public_key })
    })
  }

  /** Approved by these people, each over a statement of their own. */
  by(people: readonly Person[], source: 'mcp' | 'nats' = 'mcp'): Change {
    const decision = this.decision(ARGUMENTS, { source })
    const evidence = people.map((approver): ApprovalEvidence => {
      const statement = this.statement(decision, { approver })
      const assertion = this.#keys.get(approver)?.assert(statementHash(sha256, statement))
      return decision.tier === 1
        ? this.hostEvidence(statement)
        : this.passkeyEvidence(statement, assertion)
    })
    return { tier: decision.tier, decision, evidence }
  }
}

/** The content of `vectors/admission/clauses.json`, with fresh keys and ids. */
export async function makeClauseVectors(): Promise<JsonObject> {
  const world = new ClauseWorld()
  const file = new VectorFile(world)
  const cases: readonly (readonly [string, AdmissionReason | 'admitted', readonly Person[]])[] = [
    ['two people, one for each clause', 'admitted', ['ann', 'ben']],
    ['the same in another order', 'admitted', ['ben', 'ann']],
    ['one person who has both roles', 'admitted', ['cem']],
    ['one with both roles and one with one, within the quorums', 'admitted', ['cem', 'ann']],
    ['the second clause is not met', 'quorum_not_met', ['ann']],
    ['the first clause is not met', 'quorum_not_met', ['ben']],
    ['somebody who counts in no clause', 'approver_lacks_role', ['dan']],
    ['both met, and somebody who counts in none', 'approver_lacks_role', ['cem', 'dan']],
    ['one more than the quorums together', 'evidence_unexpected', ['ann', 'ben', 'cem']],
    ['one person twice', 'approver_twice', ['ann', 'ann']],
    ['nobody', 'quorum_not_met', []],
  ]
  for (const [name, fate, people] of cases) await file.add(name, fate, world.by(people))
  const clicked = (people: readonly Person[]): Change => world.by(people, 'nats')
  await file.add('by click, two people', 'admitted', clicked(['ann', 'ben']))
  await file.add('by click, roles are the word of the host', 'admitted', clicked(['dan']))
  await file.add('by click, nobody', 'quorum_not_met', clicked([]))
  await file.add('by click, too many', 'evidence_unexpected', clicked(['ann', 'ben', 'cem']))
  return file.document(
    'Granted actions under a platform policy that asks finance and a tenant policy that asks legal, and what an executor that trusts these keys and pins and pinned these policies makes of them at now_ms, step 4 of spec/protocol.md section 4.',
  )
}
