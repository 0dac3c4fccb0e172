import {
  type ArgumentRow,
  endsOf,
  type Finding,
  originWords,
  type RowReview,
  type Standing,
  standingWords,
} from '@trustgw/card'
import type { ApprovalRequest } from '@trustgw/protocol'
import { type ReactElement, useState } from 'react'
import { Hardened } from '../ui/hardened.tsx'
import { Icon } from '../ui/icons.tsx'

const ROWS_AT_FIRST = 40

/** Every argument. What is folded says how much it hides, and one button unfolds all. */
export function Arguments(props: {
  readonly reviews: readonly RowReview[]
  /** Whose gateway may say where values came from. */
  readonly request?: ApprovalRequest
}): ReactElement {
  const { reviews, request } = props
  const [open, setOpen] = useState(false)
  const folded = reviews.filter(({ row }) => isFolded(row)).length
  const beyond = Math.max(0, reviews.length - ROWS_AT_FIRST)
  const shown = open ? reviews : reviews.slice(0, ROWS_AT_FIRST)
  return (
    <section aria-labelledby="arguments-title">
      <div className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
        <h2 id="arguments-title" className="font-semibold">
          {reviews.length === 1 ? '1 argument' : `${reviews.length} arguments`}
        </h2>
        {folded + beyond === 0 ? null : (
          <p className="text-sm">
            <span className={open ? 'text-soft' : 'font-semibold text-amber'}>
              {open ? 'All unfolded' : foldedWords(folded, beyond)}
            </span>{' '}
            <button
              type="button"
              className="link"
              aria-expanded={open}
              onClick={() => setOpen(!open)}
            >
              {open ? 'Fold' : 'Show everything'}
            </button>
          </p>
        )}
      </div>
      <dl className="mt-2 border-t border-line">
        {shown.map((review) => (
          <Row
            key={review.row.pointer}
            review={review}
            open={open}
            origin={request && originWords(request, review.row.pointer)}
          />
        ))}
      </dl>
    </section>
  )
}

function isFolded({ long, pointer }: ArgumentRow): boolean {
  return long || pointer.length > POINTER_LONG_CHARS
}

function foldedWords(folded: number, beyond: number): string {
  const parts = [
    folded === 0 ? '' : `${folded} long ${folded === 1 ? 'value' : 'values'} folded`,
    beyond === 0 ? '' : `${beyond} more below`,
  ]
  return `${parts.filter((part) => part !== '').join(', ')}.`
}

/** One leaf of a document: what it is, where it came from, how it stands to what was approved. */
export function Row(props: {
  readonly review: RowReview
  readonly open: boolean
  readonly origin?: string | undefined
}): ReactElement {
  const { review, open, origin } = props
  const { row, judged, findings } = review
  return (
    <div className="grid gap-x-6 border-b border-line py-2.5 sm:grid-cols-[11rem_minmax(0,1fr)]">
      <dt className="data text-soft">
        <Pointer pointer={row.pointer} open={open} />
      </dt>
      <dd className="min-w-0">
        <p className="data text-[1rem] whitespace-pre-wrap">
          <Value row={row} open={open} />
        </p>
        {judged.host === null ? null : (
          <p className="text-sm">
            {judged.kind === 'email' ? 'Delivered at ' : 'Leads to '}
            <strong className="data text-ink">
              <Hardened text={judged.host} />
            </strong>
          </p>
        )}
        {row.long ? <p className="text-sm text-soft">{counted(row.length)} in all</p> : null}
        {findings.map((finding) => (
          <FindingLine key={finding.text} finding={finding} />
        ))}
        <Context standing={findings.length > 0 ? null : review.standing} origin={origin} />
      </dd>
    </div>
  )
}

const POINTER_LONG_CHARS = 120

/** A name can be as long as a value, and as hostile. */
function Pointer(props: { readonly pointer: string; readonly open: boolean }): ReactElement {
  const text = props.pointer === '' ? '(whole)' : props.pointer
  const points = Array.from(text)
  if (props.open || points.length <= POINTER_LONG_CHARS) return <Hardened text={text} />
  return (
    <>
      <Hardened text={points.slice(0, POINTER_LONG_CHARS).join('')} part />
      <span className="chip bg-amber-wash text-amber">
        … {counted(points.length - POINTER_LONG_CHARS)} of the name hidden
      </span>
    </>
  )
}

function Value(props: { readonly row: ArgumentRow; readonly open: boolean }): ReactElement {
  const { row, open } = props
  if (row.type !== 'text') return <span>{row.text}</span>
  if (row.text === '') return <span className="text-soft italic">empty text</span>
  if (!row.long || open) return <Hardened text={row.text} />
  const { head, hidden, tail } = endsOf(row.text)
  if (hidden === 0) return <Hardened text={row.text} />
  return (
    <>
      <Hardened text={head} part />
      <span className="chip mx-1 bg-amber-wash text-amber">… {counted(hidden)} hidden …</span>
      <Hardened text={tail} part />
    </>
  )
}

function counted(characters: number): string {
  return `${characters.toLocaleString('en')} characters`
}

const FINDING_LOOKS = {
  alarm: 'font-semibold text-red',
  care: 'text-amber',
  note: 'text-soft',
} as const

function FindingLine({ finding }: { readonly finding: Finding }): ReactElement {
  return (
    <p className={`flex items-start gap-1.5 text-sm ${FINDING_LOOKS[finding.tone]}`}>
      {finding.tone === 'note' ? null : (
        <Icon name="warning" size={15} className="mt-0.5 shrink-0" />
      )}
      <span className="min-w-0 break-words">
        <Hardened text={finding.text} />
      </span>
    </p>
  )
}

/** The quiet line: as before or not, and from where by the gateway's word. */
function Context(props: {
  readonly standing: Standing | null
  readonly origin: string | undefined
}): ReactElement | null {
  const standing = props.standing === null ? undefined : standingWords(props.standing)
  const { origin } = props
  if (standing === undefined && origin === undefined) return null
  return (
    <p className="text-sm text-soft">
      {standing}
      {standing !== undefined && origin !== undefined ? ' · ' : ''}
      {origin === undefined ? null : (
        <>
          Gateway says: <Hardened text={origin} />
        </>
      )}
    </p>
  )
}
