import type { ReactElement } from 'react'
import type { BoundValues } from '../logic/review.ts'
import { Hardened } from '../ui/hardened.tsx'
import { Row } from './card-arguments.tsx'

/** What was read for the action and is approved with it. */
export function Precondition({
  bound,
}: {
  readonly bound: BoundValues | null
}): ReactElement | null {
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
        {bound.rows.map((row) => (
          <Row key={row.pointer} row={row} open={true} />
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
