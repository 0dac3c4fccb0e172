import {
  type AttentionHead,
  attentionHead,
  type CardReview,
  type ComparedWith,
  comparedWords,
  NOT_COMPARED,
  type PlacedFinding,
} from '@trustgw/card'
import { formatMoney } from '@trustgw/protocol'
import type { ReactElement } from 'react'
import type { EarlierView } from '../state/portal-state.ts'
import { Hardened } from '../ui/hardened.tsx'
import { Icon } from '../ui/icons.tsx'

const SHOWN_MAX = 12

const LOOKS: Readonly<Record<AttentionHead['tone'], string>> = {
  alarm: 'border-red bg-red-wash',
  care: 'border-amber bg-amber-wash',
  calm: 'border-line bg-sunken',
}

/** What to look at before deciding: alarms, what is new, and what the comparison rests on. */
export function Attention(props: {
  readonly review: CardReview
  readonly earlier: EarlierView | undefined
}): ReactElement {
  const { attention, usual } = props.review
  const head = attentionHead(attention, comparedWith(props.earlier))
  return (
    <section
      aria-labelledby="look-title"
      className={`rounded-lg border px-4 py-3 ${LOOKS[head.tone]}`}
    >
      <h2 id="look-title" className="font-semibold">
        {head.title}
      </h2>
      {attention.length === 0 ? null : (
        <ul className="mt-1.5 flex flex-col gap-1.5">
          {attention.slice(0, SHOWN_MAX).map((finding) => (
            <Item key={`${finding.place} ${finding.text}`} finding={finding} />
          ))}
        </ul>
      )}
      {attention.length > SHOWN_MAX ? (
        <p className="mt-1.5 font-semibold">{`and ${attention.length - SHOWN_MAX} more, each at its argument`}</p>
      ) : null}
      <div className="mt-1.5 text-sm">
        {usual.map(({ text }) => (
          <p key={text}>
            <Hardened text={text} />.
          </p>
        ))}
        <p className={head.tone === 'calm' ? 'text-soft' : ''}>{comparison(props.earlier)}</p>
        <EarlierList earlier={props.earlier} />
      </div>
    </section>
  )
}

/** What was compared with; when, by whom and what came of it is the host's word. */
function EarlierList({
  earlier,
}: {
  readonly earlier: EarlierView | undefined
}): ReactElement | null {
  if (earlier?.kind !== 'known' || earlier.calls.length === 0) return null
  return (
    <details className="mt-1">
      <summary className="link w-fit">Show them</summary>
      <ul className="mt-1 flex flex-col gap-1">
        {earlier.calls.map(({ reviewed, approved_at, approvers, state }) => (
          <li key={reviewed.request.action_id}>
            {new Date(approved_at).toLocaleString('en-GB', WHEN)}
            {reviewed.amount.kind === 'money' ? `, ${formatMoney(reviewed.amount.money)}` : ''}
            {', approved by '}
            <Hardened text={approvers.join(', ')} />
            {state === null ? ', its end not heard of' : `, ${state.replaceAll('_', ' ')}`}
          </li>
        ))}
      </ul>
    </details>
  )
}

const WHEN = { dateStyle: 'medium', timeStyle: 'short' } as const

function Item({ finding }: { readonly finding: PlacedFinding }): ReactElement {
  const isAlarm = finding.tone === 'alarm'
  const isPointer = finding.place.startsWith('/') || finding.place.startsWith('read: ')
  return (
    <li className="flex items-start gap-2">
      <Icon
        name={isAlarm ? 'warning' : 'question'}
        size={16}
        className={`mt-1 shrink-0 ${isAlarm ? 'text-red' : 'text-amber'}`}
      />
      <span className="min-w-0 break-words">
        {isPointer ? (
          <span className="data mr-1.5">
            <Hardened text={clipped(finding.place)} />
          </span>
        ) : null}
        <span className={isAlarm ? 'font-semibold text-red' : ''}>
          <Hardened text={finding.text} />
        </span>
      </span>
    </li>
  )
}

/** The argument itself has its whole name. */
const PLACE_MAX_CHARS = 60
function clipped(place: string): string {
  const points = Array.from(place)
  return points.length <= PLACE_MAX_CHARS ? place : `${points.slice(0, PLACE_MAX_CHARS).join('')}…`
}

function comparedWith(earlier: EarlierView | undefined): ComparedWith | 'loading' | undefined {
  if (earlier === undefined) return 'loading'
  return earlier.kind === 'known' ? earlier : undefined
}

function comparison(earlier: EarlierView | undefined): string {
  if (earlier === undefined) return 'Comparing with what was approved before…'
  return earlier.kind === 'unknown' ? NOT_COMPARED : comparedWords(earlier, 'in this browser')
}
