/** Whom a rule or limit asks: its table `approvers`, member by member. */
import {
  CHANNELS,
  ESCALATION_MAX_MS,
  type Escalation,
  EVIDENCE_MAX,
  type Json,
} from '@trustgw/protocol'
import { QUORUM_MAX, type RuleApprovers } from './ast.ts'
import {
  type At,
  checkKeys,
  complete,
  inside,
  type Raw,
  readTable,
  wrong,
  wrongKey,
} from './raw.ts'
import { choice, integer, list, need, optional, type Syntax, text } from './syntax.ts'
import { duration } from './value-syntax.ts'

const ROLE_MAX_CHARS = 64
/** Used where a rule that asks people does not narrow who: one approver, in the portal. */
export const ANY_APPROVER: RuleApprovers = {
  roles: [],
  quorum: 1,
  channels: ['portal'],
  in_order: [],
  escalate: null,
}

const roles = list(text(undefined, ROLE_MAX_CHARS))
const quorum = integer({ min: 1, max: QUORUM_MAX })
const channels: Syntax<readonly string[]> = list(choice<string>(CHANNELS))
const escalateAfter = duration(ESCALATION_MAX_MS)

const escalate: Syntax<Escalation> = {
  read: (raw, at) => {
    const table = readTable(raw, at)
    if (table === null) return null
    checkKeys(table, { known: ['after', 'roles'] }, at)
    return complete({
      after_ms: need(table, 'after', escalateAfter, at),
      roles: need(table, 'roles', roles, at),
    })
  },
  write: ({ after_ms, roles: who }) => ({
    after: escalateAfter.write(after_ms),
    roles: roles.write(who),
  }),
  schema: {
    type: 'object',
    properties: { after: escalateAfter.schema, roles: roles.schema },
    required: ['after', 'roles'],
    additionalProperties: false,
  },
}

/** The one list of the language whose order says something. */
const inOrder: Syntax<readonly string[]> = {
  ...roles,
  read: (raw, at) => {
    const order = roles.read(raw, at)
    if (order === null) return null
    if (order.length < 2) return wrong(at, 'an order has two roles or more')
    if (order.length > EVIDENCE_MAX) return wrong(at, `at most ${EVIDENCE_MAX} people are asked`)
    return new Set(order).size < order.length ? wrong(at, 'a role stands there twice') : order
  },
}

const MEMBERS = {
  roles: roles.schema,
  quorum: quorum.schema,
  channels: channels.schema,
  in_order: inOrder.schema,
  escalate: escalate.schema,
}

function readApprovers(raw: Raw, at: At): RuleApprovers | null {
  const table = readTable(raw, at)
  if (table === null) return null
  checkKeys(table, { known: Object.keys(MEMBERS) }, at)
  if (table.size === 0) return wrong(at, 'expected roles, quorum or channels')
  const order = table.get('in_order')
  if (order !== undefined && (table.has('roles') || table.has('quorum'))) {
    return wrongKey(inside(at, 'in_order'), '"in_order" takes the place of "roles" and "quorum"')
  }
  if (table.has('escalate') && !table.has('roles')) {
    return wrongKey(inside(at, 'escalate'), '"escalate" needs "roles" that are asked before')
  }
  return {
    roles: optional(table, ['roles', roles], ANY_APPROVER.roles, at),
    quorum: optional(table, ['quorum', quorum], ANY_APPROVER.quorum, at),
    channels: optional(table, ['channels', channels], ANY_APPROVER.channels, at),
    in_order: optional(table, ['in_order', inOrder], ANY_APPROVER.in_order, at),
    escalate: optional(table, ['escalate', escalate], null, at),
  }
}

/** Defaults that say nothing of who is asked are not written. */
function write(asked: RuleApprovers): Json {
  return {
    ...(asked.roles.length === 0 ? {} : { roles: roles.write(asked.roles) }),
    ...(asked.in_order.length === 0
      ? { quorum: asked.quorum }
      : { in_order: inOrder.write(asked.in_order) }),
    channels: channels.write(asked.channels),
    ...(asked.escalate === null ? {} : { escalate: escalate.write(asked.escalate) }),
  }
}

export const approversSyntax: Syntax<RuleApprovers> = {
  read: readApprovers,
  write,
  schema: { type: 'object', properties: MEMBERS, required: [], additionalProperties: false },
}
