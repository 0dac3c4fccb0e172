import { argumentRows, endsOf, ink, judgeValue } from '@trustgw/card'

export interface Rendering {
  /** What a reader sees, marks with their meaning. */
  readonly shown: string
  /** What the card says of it. */
  readonly said: readonly string[]
}

/** How the card shows a text as an argument, folded as it is at first. */
export function portalRendering(text: string): Rendering {
  const [row] = argumentRows(text)
  if (row === undefined) throw new TypeError('a text has one row')
  const { host, kind, findings } = judgeValue(row)
  const leads = host === null ? [] : [`${kind === 'email' ? 'Delivered at' : 'Leads to'} ${host}`]
  const length = row.long ? [`${row.length.toLocaleString('en')} characters in all`] : []
  return {
    shown: row.long ? folded(text) : ink(text),
    said: [...leads, ...length, ...findings.map((finding) => ink(finding.text))],
  }
}

function folded(text: string): string {
  const { head, hidden, tail } = endsOf(text)
  if (hidden === 0) return ink(text)
  const chip = `… ${hidden.toLocaleString('en')} characters hidden …`
  return `${ink(head, 'part')}${chip}${ink(tail, 'part')}`
}
