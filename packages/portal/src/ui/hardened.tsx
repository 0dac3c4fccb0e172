import { hardenText } from '@trustgw/card'
import type { ReactElement } from 'react'

/**
 * Text that came from outside. Text nodes only, isolated from the direction of its neighbours, with
 * whatever has no ink of its own drawn as a mark.
 */
export function Hardened(props: {
  readonly text: string
  /** One end of a folded text. */
  readonly part?: boolean
}): ReactElement {
  const hard = hardenText(props.text, props.part === true ? 'part' : 'whole')
  return (
    <bdi dir="ltr">
      {hard.segments.map((segment, index) => {
        // Segments have no identity of their own and never move.
        const key = `${index}`
        if (segment.kind === 'text') return <span key={key}>{segment.text}</span>
        if (segment.kind === 'break') return <br key={key} />
        return (
          <span key={key} className="odd" title={segment.meaning}>
            ⟦{segment.label}
            <span className="sr-only"> {segment.meaning}</span>⟧
          </span>
        )
      })}
    </bdi>
  )
}
