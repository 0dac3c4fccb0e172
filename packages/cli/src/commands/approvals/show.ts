import { formatMoney } from '@trustgw/protocol'
import { fetchCard, matching, namedAction, sectionsOf } from '../../approvals/fetch-card.ts'
import { hostApi } from '../../approvals/host-api.ts'
import { layoutCard } from '../../approvals/layout.ts'
import { sessionHere } from '../../approvals/session-file.ts'
import { type Command, type Context, EXIT_DONE } from '../../command.ts'

/** Hashed again here: a request that does not match is said to be none, and nothing of it is shown. */
export const APPROVALS_SHOW: Command = {
  name: 'approvals show',
  text: 'show one request, every argument, hashed again on this machine',
  usage: 'approvals show ACTION',
  examples: ['trustgw approvals show act_0123456789abcdefghjkmnpqrs'],
  run: showApproval,
}

async function showApproval(context: Context): Promise<number> {
  const id = namedAction(context)
  const session = await sessionHere(context.invocation)
  const card = await fetchCard(hostApi(session.origin, session.token), session, id)
  const reviewed = matching(card)
  const sections = sectionsOf(card, reviewed, session)
  const { json, terminal } = context
  if (!json) {
    terminal.out(layoutCard(sections, terminal))
    return EXIT_DONE
  }
  const { request, amount, code, input } = reviewed
  const { decision, contract, decide_by } = request
  terminal.out(
    JSON.stringify({
      action_id: id,
      state: card.state,
      code,
      tool: contract.id,
      agent: decision.principal.subject,
      amount: amount.kind === 'money' ? formatMoney(amount.money) : null,
      tier: decision.tier,
      rule: decision.rule_id,
      reason: decision.reason,
      decide_by: new Date(decide_by).toISOString(),
      arguments: input,
      given: card.given,
      card: sections,
    }),
  )
  return EXIT_DONE
}
