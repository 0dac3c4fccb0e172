import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { agree, measureInvented } from '../src/bench/policy.ts'
import { ENGINES, makeEngine } from '../src/bench/policy-engines.ts'
import { measure } from '../src/bench/policy-measure.ts'
import { makeShape, SHAPES } from '../src/bench/policy-shapes.ts'

const CALLS = Array.from({ length: 48 }, (_, index) => index)

describe('the benchmark of policy', () => {
  for (const shape of SHAPES) {
    it(`has engines that agree on effect, tier and rule: ${shape}`, async () => {
      const made = makeShape(shape, 100)
      const given = new Map<string, readonly string[]>()
      for (const name of ENGINES) {
        const engine = await makeEngine(name, made)
        given.set(
          name,
          CALLS.map((index) => engine.answer(index)),
        )
      }
      assert.deepEqual(agree(100, given), { rules: 100, compared: CALLS.length })
    })
  }

  it('compares decisions of every kind', async () => {
    const engine = await makeEngine('trust-gateway', makeShape('usual', 100))
    const effects = new Set(CALLS.map((index) => engine.answer(index).split(' ')[0]))
    assert.deepEqual(
      [...effects].toSorted((a, b) => ((a ?? '') < (b ?? '') ? -1 : 1)),
      ['allow', 'deny', 'require_approval'],
    )
  })

  it('fails where two engines differ, or one says less', () => {
    const differ = new Map([
      ['one', ['allow 0 a', 'deny 0 b']],
      ['two', ['allow 0 a', 'allow 0 b']],
    ])
    assert.throws(() => agree(10, differ), /10 rules, call 1: one "deny 0 b", two "allow 0 b"/)
    const less = new Map([
      ['one', ['allow 0 a']],
      ['two', []],
    ])
    assert.throws(() => agree(10, less))
    assert.throws(() => agree(10, new Map([['one', []]])), /nothing to compare/)
  })

  it('makes the same policy and the same calls each time', () => {
    assert.deepEqual(makeShape('usual', 50), makeShape('usual', 50))
    const tools = makeShape('cold', 50).calls.map(({ tool }) => tool)
    assert.equal(new Set(tools).size, tools.length)
  })

  it('times at least a handful of decisions of an engine however slow', () => {
    const slow = (): string => {
      const until = performance.now() + 5
      while (performance.now() < until);
      return 'slow'
    }
    const measured = measure({ decide: slow, answer: slow }, 3)
    assert.ok(measured.samples >= 20)
    assert.ok(measured.p50_us <= measured.p99_us)
  })

  it('finds that invented tool names are forgotten', async () => {
    const { names, heap_before_mb, heap_most_mb } = await measureInvented(200_000)
    assert.equal(names, 200_000)
    // Twenty megabytes if each name were remembered.
    assert.ok(heap_most_mb - heap_before_mb < 8, `${heap_before_mb} to ${heap_most_mb} MB`)
  })
})
