import assert from 'node:assert/strict'
import { test } from 'node:test'
import { actionStateShape } from '@trustgw/core'
import * as protocol from '@trustgw/protocol'
import { canonicalize, parseJson, readShape, type Shape } from '@trustgw/protocol'
import { fuzzRun, valuesOf } from '@trustgw/testkit/fuzz'
import fc from 'fast-check'

const isShape = (value: unknown): value is Shape<unknown> =>
  typeof value === 'object' && value !== null && 'read' in value && 'description' in value

/** Every noun of the wire (`vectors/schemas/`), and the state that a gateway stores. */
const SHAPES: readonly (readonly [string, Shape<unknown>])[] = [
  ...Object.entries(protocol).flatMap(([name, value]) =>
    name.endsWith('Shape') && isShape(value) ? [[name, value] as const] : [],
  ),
  ['stored state of an action', actionStateShape],
]

test('the shapes of the wire are all here', () => assert.ok(SHAPES.length >= 37))

for (const [name, shape] of SHAPES) {
  test(`${name}: no value is a fault, and what is taken prints back to what was read`, () => {
    const { good, odd } = valuesOf(shape)
    let taken = 0
    fc.assert(
      fc.property(fc.oneof(good, odd), (value) => {
        const parsed = parseJson(JSON.stringify(value), { maxBytes: 10_000_000 })
        if (!parsed.ok) return
        const read = readShape(shape, parsed.value)
        if (!read.ok) {
          assert.match(read.detail ?? '', /^#.*: [a-z_]+$/s)
          return
        }
        taken += 1
        // What a shape gives is of JSON again, whatever its type says.
        assert.equal(canonicalize(read.value as protocol.Json), canonicalize(parsed.value))
      }),
      fuzzRun(),
    )
    assert.ok(taken > 0, 'good values are among them')
  })
}
