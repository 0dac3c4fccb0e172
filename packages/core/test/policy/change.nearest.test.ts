import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CompiledLayers,
  compilePolicy,
  type Explanation,
  explain,
  joinLayers,
  safeHint,
} from '@trustgw/core'
import type { Json } from '@trustgw/protocol'
import { sha256 } from '../hashing.ts'
import { factsOf, mustParse } from './world.ts'

const allowing = (...matches: readonly string[]): CompiledLayers => {
  const rules = matches.map(
    (match, index) =>
      `[[rules]]\nid = "r${index}"\npriority = 1\neffect = "allow"\n[rules.match]\n${match}\n`,
  )
  return joinLayers([compilePolicy(mustParse(`version = 1\n${rules.join('')}`), sha256)], sha256)
}

const change = (layers: CompiledLayers, args: Json): Explanation['change'] =>
  explain(layers, factsOf({ args })).change

const values = (layers: CompiledLayers, args: Json): unknown =>
  change(layers, args)?.map(({ pointer, to }) => [pointer, to])

test('the nearest amount is at the bound where that is allowed, else one unit beside it', () => {
  const near = (bound: string, amount: Json): unknown =>
    change(allowing(`amount = { ${bound} }`), { amount, currency: 'EUR' })?.[0]?.to
  assert.equal(near('gt = "50 EUR"', '40.00'), '50.01')
  assert.equal(near('gte = "50 EUR"', '40.00'), '50.00')
  assert.equal(near('lt = "50 EUR"', '80.00'), '49.99')
  assert.equal(near('lte = "0 EUR"', '5.00'), '0.00')
})

test('a value of the same kind is nearer than one of another, however long it is', () => {
  const layers = allowing('args."/n" = { in = [8, "zzzzzzzzzz"] }')
  assert.deepEqual(values(layers, { n: '7' }), [['/n', 'zzzzzzzzzz']])
  assert.deepEqual(values(layers, { n: 7 }), [['/n', 8]])
})

test('of two changes that go together the nearest is chosen, not the first that helps', () => {
  const layers = allowing(
    'args."/a" = { eq = "p" }\nargs."/b" = { eq = "qqqqqqqqqqqqqqqqqqqq" }',
    'args."/a" = { eq = "pp" }\nargs."/b" = { eq = "q" }',
  )
  assert.deepEqual(values(layers, { a: 'x', b: 'y' }), [
    ['/a', 'pp'],
    ['/b', 'q'],
  ])
})

test('a value follows from an order only where nothing but orders is asked of it', () => {
  const isBound = (predicates: string): unknown =>
    change(allowing(`args."/n" = ${predicates}`), { n: 1 })?.[0]?.isBound
  assert.equal(isBound('{ gt = 3, lt = 9 }'), true)
  assert.equal(isBound('{ gt = 3, in = [5, 6] }'), false)
  assert.equal(isBound('{ in = [5, 6] }'), false)
})

test('what a first change takes away a second one cannot change, and nothing breaks', () => {
  const layers = allowing(
    'args."/list" = { max_length = 1 }\nargs."/list/1" = { eq = "y" }\nargs."/o" = { keys_in = ["b"] }\nargs."/o/a" = { eq = "y" }',
  )
  assert.equal(change(layers, { list: ['a', 'x', 'z'], o: { a: 'x' } }), null)
})

test('members beside the one that changes stay as they are, inherited names too', () => {
  const layers = allowing('args."/o/a/0" = { eq = "y" }\nargs."/o/b" = { eq = "keep" }')
  const args: Json = JSON.parse('{"o":{"b":"keep","a":["x"],"__proto__":1},"z":null}') as Json
  assert.deepEqual(values(layers, args), [['/o/a/0', 'y']])
  // Not read from what every object inherits: it is missing, and would be added.
  assert.deepEqual(change(allowing('args."/toString" = { eq = "y" }'), {}), [
    { pointer: '/toString', to: 'y', isBound: false },
  ])
})

test('a hint looks at as many lines and tries as many proposals as it may, and no more', () => {
  const layers = allowing('args."/a" = { eq = "p" }\nargs."/b" = { eq = "q" }')
  const hint = (args: Json, triesMax: number, linesMax: number): boolean =>
    safeHint(layers, factsOf({ args }), { triesMax, linesMax }) !== null
  const tries = (args: Json): number => {
    let most = 1
    while (!hint(args, most, 2)) most += 1
    return most
  }
  assert.equal(tries({ a: 'x', b: 'q' }), 3)
  assert.equal(tries({ a: 'x', b: 'y' }), 65)
  assert.equal(hint({ a: 'x', b: 'q' }, 100, 2), true)
  assert.equal(hint({ a: 'x', b: 'q' }, 100, 1), false)
})
