import { type ReactElement, useState } from 'react'
import { type ArgumentRow, endsOf } from '../logic/arguments.ts'
import { hardenText } from '../logic/harden.ts'
import { Hardened } from '../ui/hardened.tsx'
import { Icon } from '../ui/icons.tsx'

const ROWS_AT_FIRST = 40

/** Every argument. What is folded says how much it hides, and one button unfolds all. */
export function Arguments({ rows }: { readonly rows: readonly ArgumentRow[] }): ReactElement {
  const [open, setOpen] = useState(false)
  const folded = rows.filter(({ long }) => long).length
  const beyond = Math.max(0, rows.length - ROWS_AT_FIRST)
  const shown = open ? rows : rows.slice(0, ROWS_AT_FIRST)
  return (
    <section aria-labelledby="arguments-title">
      <div className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
        <h2 id="arguments-title" className="font-semibold">
          {rows.length === 1 ? '1 argument' : `${rows.length} arguments`}
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
        {shown.map((row) => (
          <Row key={row.pointer} row={row} open={open} />
        ))}
      </dl>
    </section>
  )
}

function foldedWords(folded: number, beyond: number): string {
  const parts = [
    folded === 0 ? '' : `${folded} long ${folded === 1 ? 'value' : 'values'} folded`,
    beyond === 0 ? '' : `${beyond} more below`,
  ]
  return `${parts.filter((part) => part !== '').join(', ')}.`
}

/** One leaf of a document, with what the eye may miss. */
export function Row(props: { readonly row: ArgumentRow; readonly open: boolean }): ReactElement {
  const { row, open } = props
  return (
    <div className="grid gap-x-6 border-b border-line py-2.5 sm:grid-cols-[11rem_minmax(0,1fr)]">
      <dt className="data text-soft">
        <Hardened text={row.pointer === '' ? '(whole)' : row.pointer} />
      </dt>
      <dd className="min-w-0">
        <p className="data text-[1rem] whitespace-pre-wrap">
          <Value row={row} open={open} />
        </p>
        <Remarks row={row} />
      </dd>
    </div>
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

/** What the eye may miss, in words. */
function Remarks({ row }: { readonly row: ArgumentRow }): ReactElement | null {
  if (row.type !== 'text') return null
  const { marks, mixedScripts } = hardenText(row.text)
  const remarks = [
    marks === 0 ? '' : `${marks} invisible or odd ${marks === 1 ? 'character' : 'characters'}`,
    mixedScripts.length === 0 ? '' : `one word mixes ${mixedScripts.join(' and ')} letters`,
  ].filter((remark) => remark !== '')
  return (
    <>
      {row.long ? <p className="text-sm text-soft">{counted(row.length)} in all</p> : null}
      {remarks.map((remark) => (
        <p key={remark} className="flex items-center gap-1.5 text-sm font-semibold text-red">
          <Icon name="warning" size={15} />
          {remark}
        </p>
      ))}
    </>
  )
}
