import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CompiledPolicy, compilePolicy, decide, decideNaively } from '@trustgw/core'
import { OPERATIONS, SOURCES } from '@trustgw/protocol'
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

test('plans are forgotten once more than a quarter of a million rules are remembered', () => {
  // For each tenant a plan with each rule, 512 * (511 + 1) = 2^18; rules over all tools are in no group.
  const compiled = compile(
    Array.from({ length: 511 }, (_, at) => rule(`r${at}`, '**', ',tenant=["acme*"]')),
  )
  const planOf = (at: number): object =>
    compiled.plan(compiled.begin(factsOf({ tool: 'shop.pay', tenant: `acme${at}` })))
  const first = planOf(0)
  for (let at = 1; at < 512; at++) planOf(at)
  assert.equal(planOf(0), first)
  planOf(512)
  const again = planOf(0)
  assert.notEqual(again, first)
  assert.deepEqual(again, first)
})

test('tools that no rule tells from others are forgotten with them, and found again', () => {
  // For each first part 599 groups of its own, and a plan over 600 rules.
  const parts = Array.from({ length: 240 }, (_, at) => `p${at}`)
  const compiled = compile([
    `[[rules]]\nid="own"\npriority=1\neffect="deny"\nmatch={tool=[${parts.map((part) => `"${part}.*"`).join()}]}\n`,
    ...parts.map((part) => rule(part, `${part}.*`)),
    ...Array.from({ length: 598 }, (_, at) => rule(`r${at}`, '*.pay')),
  ])
  const planOf = (tool: string): object => compiled.plan(compiled.begin(factsOf({ tool })))
  const first = planOf('p0.pay')
  for (const part of parts.slice(1, 200)) planOf(`${part}.pay`)
  assert.equal(planOf('p0.pay'), first)
  for (const part of parts.slice(200)) planOf(`${part}.pay`)
  assert.notEqual(planOf('p0.pay'), first)
  assert.deepEqual(planned(compiled, 'p0.pay').length, 600)
})

test('tenants have plans of their own only where a rule asks for the tenant', () => {
  const planOf = (compiled: CompiledPolicy, tenant: string): object =>
    compiled.plan(compiled.begin(factsOf({ tool: 'shop.pay', tenant })))
  const any = compile([rule('a', 'shop.*', ',operation=["transfer"]')])
  assert.equal(planOf(any, 'one'), planOf(any, 'two'))
  const own = compile([rule('a', 'shop.*', ',tenant=["one"]')])
  assert.notEqual(planOf(own, 'one'), planOf(own, 'two'))
  assert.deepEqual(planned(own, 'shop.pay', 'one'), ['a'])
  assert.deepEqual(planned(own, 'shop.pay', 'two'), [])
})

test('each operation and source has the plan of its own rules, whatever was planned before', () => {
  const operations = OPERATIONS.map((name) => rule(name, '**', `,operation=["${name}"]`))
  const sources = SOURCES.map((name) => rule(`s.${name}`, '**', `,source=["${name}"]`))
  const compiled = compile([...operations, ...sources])
  for (const operation of OPERATIONS) {
    for (const source of [...SOURCES, null]) {
      const look = compiled.begin(factsOf({ operation, source }))
      const ids = compiled.plan(look).entries.map((entry) => entry.rule.rule.id)
      const own = source === null ? SOURCES.map((name) => `s.${name}`) : [`s.${source}`]
      assert.deepEqual(ids.toSorted(), [operation, ...own].toSorted(), `${operation} ${source}`)
    }
  }
})

test('a plan judges the lines that the index could not answer, before those of the rule', () => {
  const compiled = compile([rule('a', '**', ',source=["mcp"],agent=["bot"]')])
  const linesOf = (source: string | null) => {
    const [entry] = compiled.plan(compiled.begin(factsOf({ source }))).entries
    return entry ?? assert.fail()
  }
  const known = linesOf('mcp')
  assert.equal(known.tests, known.rule.tests)
  assert.deepEqual(
    known.tests.map(({ slot }) => slot.name),
    ['agent'],
  )
  assert.deepEqual(
    linesOf(null).tests.map(({ slot }) => slot.name),
    ['source', 'agent'],
  )
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
