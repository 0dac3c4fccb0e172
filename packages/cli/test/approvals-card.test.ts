import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { reviewEarlier, reviewRequest, textCard } from '@trustgw/card'
import type { ApprovalRequest } from '@trustgw/protocol'
import { HOSTILE_TEXTS } from '@trustgw/testkit'
import { REFUND, requestOf, sha256, TENANT } from '@trustgw/testkit/approval-requests'
import { storyEarlier, storyRequests, tampered } from '@trustgw/testkit/approval-story'
import { fetchCard, matching } from '../src/approvals/fetch-card.ts'
import { type HostApi, hostApi } from '../src/approvals/host-api.ts'
import { columnsOf, layoutCard, wrap } from '../src/approvals/layout.ts'
import { PLAIN_STYLE } from '../src/terminal.ts'
import { keptOr } from './policy-support.ts'

const now = Date.UTC(2026, 5, 1)
const WIDTH = 80
/** How lines begin that stand at the very left. */
const OURS =
  /^(?:support-agent|!! Amount unclear|It names|Only if|The argument|Tier|Look at|\d+ (?:thing|argument)|Nothing stands|The first|Why|Who|What happens|Hashes)/

function shown(request: Parameters<typeof reviewRequest>[0], width = WIDTH): string {
  const reviewed = reviewRequest(request, TENANT, sha256)
  assert.ok(reviewed.ok)
  const alike = storyEarlier(now).filter(({ contract }) => contract.id === request.contract.id)
  const told = alike.map((one) => ({
    request: one,
    approved_at: now,
    approvers: ['ben'],
    state: null,
  }))
  const earlier = { ...reviewEarlier(told, request, sha256), leftOut: 0 }
  const sections = textCard(reviewed.value, { given: [], earlier, person: 'ada', now })
  return layoutCard(sections, { style: PLAIN_STYLE, width })
}

describe('a card on a terminal', () => {
  it('is laid out on eighty columns', async () => {
    const { refund } = storyRequests(now)
    assert.ok(refund !== undefined)
    const card = `${shown(refund)}\n`
    assert.equal(card, await keptOr('approval-card.txt', card))
  })

  it('keeps hostile texts in their place: no line too wide, none that they begin, none that controls', () => {
    for (const [at, { name, text }] of HOSTILE_TEXTS.entries()) {
      const input = { value: text, ...(text.length < 1_000 ? { [text]: 'x' } : {}) }
      const request = requestOf({ number: at, tool: { ...REFUND, title: 'T' }, now, input })
      for (const line of [WIDTH, 40].flatMap((width) => shown(request, width).split('\n'))) {
        assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, name)
        if (line !== '' && !line.startsWith(' ')) assert.match(line, OURS, name)
      }
      for (const width of [WIDTH, 40]) {
        const lines = shown(request, width).split('\n')
        assert.ok(Math.max(...lines.map(columnsOf)) <= width, name)
      }
    }
  })

  it('wraps without losing a character', () => {
    for (const text of ['', 'a', 'word '.repeat(40), 'x'.repeat(200), `a${' '.repeat(90)}b`]) {
      for (const columns of [10, 33]) {
        const lines = wrap(text, columns)
        assert.equal(lines.join(''), text)
        assert.ok(lines.every((line) => columnsOf(line) <= columns))
      }
    }
  })
})

describe('a card that does not match', () => {
  const session = {
    v: 1,
    origin: 'http://localhost:1',
    tenant: TENANT,
    person: 'ada',
    token: 't',
    expires_at: now,
  } as const
  const { refund, file } = storyRequests(now)

  /** A host that answers with what it likes. */
  const answering = (request: ApprovalRequest | undefined): HostApi => {
    assert.ok(request !== undefined)
    const state = 'pending_approval'
    return {
      ...hostApi(session.origin),
      show: () => Promise.resolve({ request, state, given: [] }),
      earlier: () => Promise.resolve({ earlier: [], left_out: 0 }),
    }
  }

  it('is refused, whole, also when it is that of another action [INV-25]', async () => {
    assert.ok(refund !== undefined)
    const id = refund.action_id
    assert.ok(matching(await fetchCard(answering(refund), session, id)).code !== '')
    for (const other of [tampered(refund), file]) {
      const card = await fetchCard(answering(other), session, id)
      assert.throws(() => matching(card), /Approve nothing, and tell whoever runs/)
    }
  })
})
