import { systemClock } from '@trustgw/runtime'
import { openRecord } from '../../src/approvals/approval-record.ts'
import { cardText } from '../../src/channels/card-text.ts'
import { withArguments } from './channels.ts'
import { approvalRequest, TENANT } from './world.ts'

const NONE = { calls: [], dropped: 0, leftOut: 0 }
const CONTEXT = { tenant: TENANT, person: 'ann', earlier: NONE, events: [] }
const NAME = '/to = '

/** How a card in a chat shows a text as an argument, and what stands above all arguments. */
export function chatRendering(text: string): {
  readonly shown: string
  readonly said: readonly string[]
} {
  const request = withArguments(approvalRequest({ clock: systemClock }, { tier: 1 }), { to: text })
  const card = cardText(openRecord(request), CONTEXT, request.requested_at)
  const lines = card.text.replaceAll(/[\u2068\u2069]/g, '').split('\n')
  const shown = lines.find((line) => line.startsWith(NAME)) ?? lines.find((line) => line[0] === '…')
  const said = lines.filter((line) => line.startsWith('! '))
  return { shown: (shown ?? '').replace(NAME, ''), said: said.map((line) => line.slice(2)) }
}
