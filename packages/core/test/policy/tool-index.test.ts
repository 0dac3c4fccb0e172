import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CompiledPolicy, compilePolicy, decide, decideNaively } from '@trustgw/core'
import fc from 'fast-check'
import { sha256 } from '../hashing.ts'
import { factsOf, mustParse } from './world.ts'

const rule = (id: string, tool: string, lines = ''): string =>
  `[[rules]]\nid="${id}"\npriority=1\neffect="deny"\nmatch={tool=["${tool}"]${lines}}\n`

const compile = (rules: readonly string[]): CompiledPolicy =>
  compilePolicy(mustParse(`version=1\n${rules.join('')}`), sha256)

function planned(compiled: CompiledPolicy, tool: string, tenant = 'acme'): readonly string[] {
  const look = compiled.begin(factsOf({ tool, tenant }))
  return compiled.plan(look).entries.map((entry) => entry.rule.rule.id)
}

test('a decision reads as many rules when there are ten thousand as when there are ten', () => {
  const own = [
    rule('exact', 'shop.pay', ',operation=["transfer"]'),
    rule('part', 'shop.*'),
    rule('all', '**', ',roles=["clerk"]'),
    rule('elsewhere', 'shop.pay', ',source=["nats"]'),
  ]
  for (const count of [10, 100, 1_000, 10_000]) {
    const others = Array.from({ length: count - own.length }, (_, at) =>
      at % 4 === 0 ? rule(`o${at}`, `ns${at}.*`) : rule(`o${at}`, `ns${at}.tool_${at}`),
    )
    const compiled = compile([...own, ...others])
    const look = compiled.begin(factsOf({ tool: 'shop.pay' }))
    const read = compiled.plan(look).entries.map((entry) => entry.rule.rule.id)
    assert.deepEqual(read.toSorted(), ['all', 'exact', 'part'], `${count} rules`)
  }
})

test('tools that meet the same rules share one plan', () => {
  const compiled = compile([rule('a', 'shop.*'), rule('b', 'shop.get_*')])
  const planOf = (tool: string): object => compiled.plan(compiled.begin(factsOf({ tool })))
  assert.equal(planOf('shop.get_1'), planOf('shop.get_2'))
  assert.notEqual(planOf('shop.get_1'), planOf('shop.list'))
  assert.deepEqual(planned(compiled, 'shop.get_1'), ['a', 'b'])
  assert.deepEqual(planned(compiled, 'shop.list'), ['a'])
  assert.deepEqual(planned(compiled, 'other'), [])
})

test('plans made for invented tenants are forgotten in time', () => {
  const rules = Array.from({ length: 500 }, (_, at) =>
    rule(`r${at}`, 'shop.*', ',tenant=["acme*"],agent=["bot"]'),
  )
  const compiled = compile(rules)
  const look = (tenant: string): ReturnType<CompiledPolicy['begin']> =>
    compiled.begin(factsOf({ tool: 'shop.pay', tenant }))
  const first = compiled.plan(look('acme'))
  assert.equal(compiled.plan(look('acme')), first)
  // More than a quarter of a million rules in plans: the bound is reached on the way.
  for (let at = 0; at < 600; at++) compiled.plan(look(`acme${at}`))
  const again = compiled.plan(look('acme'))
  assert.notEqual(again, first)
  assert.deepEqual(again.entries.length, first.entries.length)
})

test('the walk over exact names and globs finds what judging every rule finds', () => {
  const parts = fc.constantFrom('a', 'b', 'ab')
  const tools = fc.tuple(parts, parts).map(([first, second]) => `${first}.${second}`)
  const globs = fc.oneof(
    tools,
    parts.map((part) => `${part}.*`),
    parts.map((part) => `*.${part}`),
    parts.map((part) => `${part}.a*`),
    fc.constant('**'),
  )
  fc.assert(
    fc.property(fc.array(globs, { maxLength: 8 }), fc.array(tools), (written, asked) => {
      const compiled = compile(written.map((glob, at) => rule(`r${at}`, glob)))
      for (const tool of asked) {
        const facts = factsOf({ tool })
        assert.deepEqual(decide(compiled, facts), decideNaively(compiled, facts))
      }
    }),
    { numRuns: 300 },
  )
})
