import {
  agentLimitsShape,
  agentStatementShape,
  arrayShape,
  booleanShape,
  integerShape,
  nullableShape,
  oneOfShape,
  optionalMember,
  pickedShape,
  type Shape,
  type ShapeOf,
  stringShape,
} from '@trustgw/protocol'
import type { ListedKey } from '../logic/agents.ts'

const text = stringShape({ max: 2_000 })
const names = arrayShape(text, { max: 64 })
const AGENTS_MAX = 16_384

export const agentsShape: Shape<{ readonly agents: readonly ListedKey[] }> = pickedShape({
  agents: arrayShape(
    pickedShape({
      key_id: text,
      agent: text,
      title: text,
      on_behalf_of: nullableShape(text),
      roles: optionalMember(names),
      scopes: optionalMember(names),
      skill_level: optionalMember(nullableShape(text)),
      limits: optionalMember(agentLimitsShape),
      status: oneOfShape('active', 'revoked'),
      created_at: integerShape({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      is_on_bus: booleanShape(),
      by: text,
      profiles: nullableShape(names),
    }),
    { max: AGENTS_MAX },
  ),
})

export const agentChallengeShape = pickedShape({
  nonce: text,
  rp_id: text,
  credential_ids: arrayShape(text, { max: 64 }),
  statement: agentStatementShape,
})
export type AgentChallenge = ShapeOf<typeof agentChallengeShape>

export const registeredShape = pickedShape({ key_id: text })
