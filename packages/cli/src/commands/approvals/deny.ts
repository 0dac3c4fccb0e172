import { inkLine } from '@trustgw/card'
import { namedAction } from '../../approvals/fetch-card.ts'
import { hostApi } from '../../approvals/host-api.ts'
import { sessionHere } from '../../approvals/session-file.ts'
import { type Command, type Context, EXIT_DONE, requiredFlag } from '../../command.ts'

/** Also stops what runs by itself. Takes no passkey: what restricts is always free. */
export const APPROVALS_DENY: Command = {
  name: 'approvals deny',
  text: 'deny a request, or stop one that would run by itself',
  usage: 'approvals deny ACTION --reason TEXT',
  flags: {
    reason: { type: 'string', value: 'TEXT', text: 'goes on the record, and the agent is told' },
  },
  examples: ["trustgw approvals deny act_0123456789abcdefghjkmnpqrs --reason 'wrong recipient'"],
  run: denyApproval,
}

async function denyApproval(context: Context): Promise<number> {
  const id = namedAction(context)
  const reason = requiredFlag(context, 'reason')
  const session = await sessionHere(context.invocation)
  const { state } = await hostApi(session.origin, session.token).deny(id, reason)
  const { json, terminal } = context
  if (json) terminal.out(JSON.stringify({ action_id: id, state }))
  else terminal.out(`Denied. The action is ${inkLine(state.replaceAll('_', ' '))}.`)
  return EXIT_DONE
}
