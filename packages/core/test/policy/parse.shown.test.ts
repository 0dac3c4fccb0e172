import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePolicy, parsePolicyTests } from '@trustgw/core'

const at = (text: string): readonly string[] => {
  const parsed = parsePolicy(`version = 1\n${text}`, { file: 'p.toml' })
  return parsed.ok
    ? []
    : parsed.findings.map(
        ({ line, column, key, message }) => `${line}:${column} ${key}| ${message}`,
      )
}
const rule = (lines: string, effect = 'deny'): string =>
  `[[rules]]\nid = "r"\npriority = 1\neffect = "${effect}"\n${lines}\n`
const x = (count: number): string => 'x'.repeat(count)

test('every refusal of a file has the reason of a refused policy', () => {
  for (const text of ['version = ', 'version = 2\n', x(2_097_153)]) {
    const parsed = parsePolicy(text, { file: 'p.toml' })
    assert.equal(parsed.ok ? 'ok' : parsed.reason, 'policy_refused')
  }
})

test('a long name is shown by its first 64 characters, wherever it stands', () => {
  assert.deepEqual(at(`${x(65)} = 1`), [
    `2:1 ${x(64)}| "${x(64)}" is not a key that means anything here`,
  ])
  assert.deepEqual(at(rule('match.tool = ["x"]', x(65))), [
    `5:10 rules[0].effect| "${x(64)}" is none of allow, require_approval, require_proof, deny`,
  ])
  const long = rule('match.tool = ["x"]').replace('"r"', `"${x(65)}"`)
  assert.deepEqual(at(`${long}${long}`), [
    '3:6 rules[0].id| longer than 64 characters',
    '8:6 rules[1].id| longer than 64 characters',
    `8:6 rules[1].id| a second rule with id "${x(64)}"`,
  ])
})

test('a name that every object has is refused with the whole file, at its place', () => {
  assert.deepEqual(at('[__proto__]\na = 1\n'), [
    '2:2 | Invalid TOML document: document contains an unsafe property',
  ])
})

test('an effect that is none is one finding: nothing is said of the tier and the approvers', () => {
  const lines = 'tier = 2\napprovers = { quorum = 99 }\nmatch.tool = ["x"]'
  assert.deepEqual(at(rule(lines, 'maybe')), [
    '5:10 rules[0].effect| "maybe" is none of allow, require_approval, require_proof, deny',
  ])
  const limit =
    '[[limits]]\nid = "l"\nkey = ["tool"]\nwindow = "1h"\nmax_count = 1\non_exceed = "maybe"\n'
  assert.deepEqual(at(`${limit}${lines}`), [
    '7:13 limits[0].on_exceed| "maybe" is none of require_approval, deny',
  ])
})

test('a pointer of a key counts once with the same pointer of a match', () => {
  const lines = (count: number): string =>
    Array.from({ length: count }, (_, index) => `match.args."/${index}".eq = 1\n`).join('')
  const limit = (pointer: string): string =>
    `[[limits]]\nid = "l"\nkey = ["args:${pointer}"]\nwindow = "1h"\nmax_count = 1\non_exceed = "deny"\nmatch.tool = ["x"]\n`
  assert.deepEqual(at(`${rule(lines(200))}${limit('/7')}`), [])
  assert.deepEqual(at(`\n${rule(lines(200))}${limit('/200')}`), [
    '3:1 rules| more than 200 different argument pointers',
  ])
})

test('what is missing of a table is missed where the table is first named', () => {
  assert.deepEqual(at(rule('match.time.days = ["mon"]\nmatch.time.from = "08:00"')), [
    '6:1 rules[0].match.time.tz| "tz" is missing',
  ])
})

test('a duration is a whole number and one unit, up to the most that there may be', () => {
  const ttl = (written: string): readonly string[] => at(`[defaults]\ngrant_ttl = "${written}"`)
  for (const good of ['1s', '30s']) assert.deepEqual(ttl(good), [])
  assert.deepEqual(ttl('31s'), ['3:13 defaults.grant_ttl| expected 1s to 30s'])
  for (const bad of ['0s', '01s', '1', 's', '1x', '1ms', ' 1s', '1234567890s']) {
    assert.deepEqual(
      ttl(bad),
      ['3:13 defaults.grant_ttl| expected a duration such as "30s", "15m", "2h" or "7d"'],
      bad,
    )
  }
})

const argumentsOf = (lines: string): readonly string[] => {
  const read = parsePolicyTests(`[[tests]]\nname = "t"\nexpect.effect = "deny"\n${lines}\n`, {
    file: 't.toml',
  })
  return read.ok
    ? []
    : read.findings.map(({ line, column, message }) => `${line}:${column} ${message}`)
}

test('arguments of a test nest as deep as a file may, in tables and in lists', () => {
  const dotted = (depth: number): string => `args.${'a.'.repeat(depth)}a = {}`
  const lists = (depth: number): string => `args.a = ${'['.repeat(depth)}${']'.repeat(depth)}`
  const deep = 'JSON has no such value'
  assert.deepEqual(argumentsOf(dotted(12)), [])
  assert.deepEqual(argumentsOf(dotted(13)), [`4:36 ${deep}`])
  assert.deepEqual(argumentsOf(lists(13)), [])
  assert.deepEqual(argumentsOf(lists(14)), [`4:23 ${deep}`])
})

test('a value that JSON has not is found in the list of tables where it stands', () => {
  assert.deepEqual(
    argumentsOf(
      '[[tests.args.items]]\nok = 1\n[[tests.args.items]]\n"when at" = 1979-05-27\n[[tests.args.items]]\nlist = [{ a = "]}", b = [1, [2, 07:32:00]] }]',
    ),
    ['7:13 JSON has no such value', '9:33 JSON has no such value'],
  )
})
