import type { BoundValues, RowReview } from '@trustgw/card'
import type { ReactElement } from 'react'
import { Hardened } from '../ui/hardened.tsx'
import { Row } from './card-arguments.tsx'

/** What was read for the action and is approved with it. */
export function Precondition(props: {
  readonly bound: BoundValues | null
  readonly reviews: readonly RowReview[]
}): ReactElement | null {
  const { bound } = props
  if (bound === null) return null
  return (
    <section
      aria-labelledby="bound-title"
      className="rounded-lg border border-brand bg-brand-wash px-4 py-3"
    >
      <h2 id="bound-title" className="font-semibold">
        <Hardened text={bound.title === '' ? 'What was read for it' : bound.title} />
      </h2>
      <dl className="mt-1 border-t border-line">
        {props.reviews.map((review) => (
          <Row key={review.row.pointer} review={review} open={true} />
        ))}
      </dl>
      <p className="mt-2 text-sm text-soft">
        Read with{' '}
        <span className="data">
          <Hardened text={bound.tool} />
        </span>{' '}
        and approved with the action. It is read again just before: if it changed, nothing runs and
        you are asked again.
      </p>
    </section>
  )
}
