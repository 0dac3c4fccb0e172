import { type ActionSummary, moreWords, type NamedValue } from '@trustgw/card'
import type { ReactElement } from 'react'
import { Hardened } from '../ui/hardened.tsx'
import { CARD_TITLE_ID } from './card-focus.ts'

/** Who wants what, in a sentence or two; every word of it from what was hashed in this browser. */
export function Summary({ summary }: { readonly summary: ActionSummary }): ReactElement {
  const { who, forWhom, verb, amount, title, named, more, provided, providedMore } = summary
  return (
    <>
      <h1
        id={CARD_TITLE_ID}
        tabIndex={-1}
        className="text-xl leading-snug font-normal tracking-tight text-pretty lg:text-2xl"
      >
        <Strong text={who} />
        {forWhom === null ? null : (
          <>
            , for <Strong text={forWhom} />,
          </>
        )}{' '}
        wants to {verb}{' '}
        {amount === null ? null : (
          <>
            <strong className="font-semibold whitespace-nowrap">{amount.figure}</strong> (
            {amount.words}) with{' '}
          </>
        )}
        <strong className="font-semibold">
          “<Hardened text={title} />”
        </strong>
      </h1>
      {named.length + provided.length === 0 ? null : (
        <p className="mt-2 text-soft">
          {named.length === 0 ? null : (
            <>
              It names <Values values={named} />
              {moreWords(more, 'argument')}.{' '}
            </>
          )}
          {provided.length === 0 ? null : (
            <>
              Only if, when it runs, <Values values={provided} />
              {moreWords(providedMore, 'value')} still holds.
            </>
          )}
        </p>
      )}
    </>
  )
}

function Strong({ text }: { readonly text: string }): ReactElement {
  return (
    <strong className="font-semibold">
      <Hardened text={text} />
    </strong>
  )
}

function Values({ values }: { readonly values: readonly NamedValue[] }): ReactElement {
  return (
    <>
      {values.map(({ name, text, odd }, index) => (
        <span key={name + text}>
          {index === 0 ? '' : ', '}
          <Hardened text={name} />{' '}
          <span className={`data ${odd ? 'font-semibold text-red' : 'text-ink'}`}>
            <Hardened text={text} />
          </span>
        </span>
      ))}
    </>
  )
}
