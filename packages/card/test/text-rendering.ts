import { argumentRows } from '../src/arguments.ts'
import { judgeValue } from '../src/judge-value.ts'
import { rowLines } from '../src/text-card.ts'

/** How a card in plain text shows a text as an argument: complete, nothing folded. */
export function textRendering(text: string): {
  readonly shown: string
  readonly said: readonly string[]
} {
  const [row] = argumentRows(text)
  if (row === undefined) throw new TypeError('a text has one row')
  const judged = judgeValue(row)
  const [value, ...said] = rowLines({ row, judged, standing: null, findings: judged.findings })
  return { shown: value?.text ?? '', said: said.map((line) => line.text) }
}
