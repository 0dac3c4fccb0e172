/** One engine with one policy, measured; started by policy.ts, prints one line of JSON. */
import { argv, stdout } from 'node:process'
import { ENGINES, makeEngine } from './policy-engines.ts'
import { type CellMeasured, measure } from './policy-measure.ts'
import { measureNames } from './policy-names.ts'
import { makeShape, SHAPES } from './policy-shapes.ts'

const [, , engineName, shapeName, rules, answers] = argv

const engine = ENGINES.find((name) => name === engineName)
const shape = SHAPES.find((name) => name === shapeName)

if (engineName === 'names') stdout.write(`${JSON.stringify(measureNames(Number(shapeName)))}\n`)
else if (engine === undefined || shape === undefined) {
  throw new Error('usage: policy-cell <engine> <shape> <rules> <answers>')
} else {
  const made = makeShape(shape, Number(rules))
  const begun = performance.now()
  const ready = await makeEngine(engine, made)
  const compile_ms = performance.now() - begun
  const measured = measure(ready, made.calls.length)
  const rss_mb = process.memoryUsage().rss / 1_048_576
  const given = Array.from({ length: Number(answers) }, (_, index) => ready.answer(index))
  const cell: CellMeasured = { ...measured, compile_ms, rss_mb, answers: given }
  stdout.write(`${JSON.stringify(cell)}\n`)
}
