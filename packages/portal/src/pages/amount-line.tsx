import type { AmountView } from '@trustgw/card'
import { formatMoney } from '@trustgw/protocol'
import type { ReactElement } from 'react'
import { Hardened } from '../ui/hardened.tsx'

/** `250.00 EUR`, grouped for the eye only: thin gaps are drawn, not written. */
export function AmountLine({ amount }: { readonly amount: AmountView }): ReactElement | null {
  if (amount.kind === 'none') return null
  if (amount.kind === 'unreadable') return <span className="text-red">amount unclear</span>
  return <span className="font-semibold whitespace-nowrap text-ink">{grouped(amount)}</span>
}

/** The amount as the largest thing on the card. */
export function BigAmount(props: {
  readonly amount: AmountView
  /** What stands in the argument, where it counts another unit. */
  readonly note: string | null
}): ReactElement | null {
  const { amount, note } = props
  if (amount.kind === 'none') return null
  if (amount.kind === 'unreadable') {
    return (
      <p className="mt-4 text-xl font-semibold text-red">
        Amount unclear: <Hardened text={amount.pointer} /> cannot be read as money
      </p>
    )
  }
  const [digits, currency] = splitAmount(formatMoney(amount.money))
  return (
    <p className="mt-4 flex flex-wrap items-baseline gap-x-3 gap-y-2 leading-none">
      <span className="text-5xl font-semibold tracking-tight sm:text-6xl">
        <Groups digits={digits} />
      </span>
      <span className="text-2xl font-semibold text-soft">{currency}</span>
      {note === null ? null : <span className="text-soft">the argument counts {note}</span>}
    </p>
  )
}

function grouped(amount: Extract<AmountView, { kind: 'money' }>): ReactElement {
  const [digits, currency] = splitAmount(formatMoney(amount.money))
  return (
    <>
      <Groups digits={digits} /> {currency}
    </>
  )
}

function splitAmount(text: string): readonly [string, string] {
  const space = text.indexOf(' ')
  return [text.slice(0, space), text.slice(space + 1)]
}

function Groups({ digits }: { readonly digits: string }): ReactElement {
  const [whole = '', fraction] = digits.split('.')
  const groups = whole.match(/\d{1,3}(?=(?:\d{3})*$)/g) ?? [whole]
  return (
    <span>
      {groups.map((group, index) => (
        <span key={`${index}`} className={index === 0 ? '' : 'ml-[0.18em]'}>
          {group}
        </span>
      ))}
      {fraction === undefined ? '' : `.${fraction}`}
    </span>
  )
}
