import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePolicy, type Finding, parsePolicy } from '@trustgw/core'
import { sha256 } from '../hashing.ts'
import { mustParse } from './world.ts'

const findingsOf = (text: string): readonly Finding[] => {
  const parsed = parsePolicy(text, { file: 'policy.toml' })
  return parsed.ok ? [] : parsed.findings
}

const rule = (index: number): string =>
  `[[rules]]\nid="r${index}"\npriority=1\neffect="deny"\nmatch.tool=["x"]\n`

const manyRules = (count: number): string =>
  `version=1\n${Array.from({ length: count }, (_, index) => rule(index)).join('')}`

test('a policy of more than 20 000 rules or 2 MiB does not load, one below both does', () => {
  assert.deepEqual(findingsOf(manyRules(20_000)), [])
  assert.match(findingsOf(manyRules(20_001))[0]?.message ?? '', /more than 20000 rules/)
  assert.match(findingsOf(`#${'x'.repeat(2_097_152)}`)[0]?.message ?? '', /characters/)
})

const endsWrong = (filler: string): readonly Finding[] =>
  findingsOf(`version = 1\n${filler}\nrles = 1\n`)

test('hostile texts are refused in a sentence, wherever they hide the mistake', () => {
  const big = 2_000_000
  for (const filler of [
    '\n'.repeat(big),
    `#${'x'.repeat(big)}`,
    '#\n'.repeat(big / 2),
    `x = """${'a\n'.repeat(big / 2)}"""`,
    `x = "${'\\\\'.repeat(big / 2)}"`,
    `x = '${'a'.repeat(big)}'`,
    `x = [${'1,'.repeat(big / 2)}]`,
  ]) {
    const found = endsWrong(filler)
    assert.equal(found.at(-1)?.nearest, 'rules', filler.slice(0, 10))
  }
  for (const text of [
    `x = ${'['.repeat(100_000)}`,
    `x = ${'['.repeat(17)}${']'.repeat(17)}`,
    `x = ${'{a='.repeat(100_000)}`,
    `${'a.'.repeat(100_000)}b = 1`,
    '[[[',
    'x = "\\uD800"',
    'x = "\u0000"',
    'x = 99999999999999999999999999',
    'x = 1979-05-27 07:32:00 # date\ny = 1',
  ]) {
    const found = findingsOf(text)
    assert.ok(found.length > 0, text.slice(0, 10))
    assert.ok(found.every(({ line, column, message }) => line > 0 && column > 0 && message !== ''))
  }
})

test('the cost of a decision follows the rules that could match, not all of them', () => {
  const rules = Array.from(
    { length: 20_000 },
    (_, index) =>
      `[[rules]]\nid="r${index}"\npriority=1\neffect="deny"\nmatch={tool=["c${index}.x"],operation=["read"]}\n`,
  )
  const compiled = compilePolicy(mustParse(`version=1\n${rules.join('')}`), sha256)
  assert.deepEqual(
    compiled.candidates('c17.x').map(({ rule: { id } }) => id),
    ['r17'],
  )
  assert.equal(compiled.candidates('other.x').length, 0)
})
