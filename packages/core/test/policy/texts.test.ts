import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePolicy, decide } from '@trustgw/core'
import type { Json } from '@trustgw/protocol'
import { repositoryFile, zeroHash } from '../hashing.ts'
import { factsOf, mustParse } from './world.ts'

interface TextCase {
  readonly line: string
  readonly true: readonly string[]
  readonly false: readonly string[]
  readonly unknown: readonly string[]
}

const { cases } = JSON.parse(repositoryFile('vectors/policy/texts.json')) as {
  readonly cases: readonly TextCase[]
}

/** Tells what a line on `/v` says of a value: by a rule that permits, and by one that restricts. */
function judgeOf(line: string): (value: Json) => boolean | 'unknown' {
  const rule = (effect: string): string =>
    `version = 1\n[[rules]]\nid = "line"\npriority = 1\neffect = "${effect}"\nmatch = { args = { "/v" = ${line} } }\n`
  const rest = '[[rules]]\nid = "rest"\npriority = 2\neffect = "allow"\nmatch = { tool = ["**"] }\n'
  const [permits, restricts] = [rule('allow'), rule('deny') + rest].map((text) =>
    compilePolicy(mustParse(text), zeroHash),
  )
  return (value) => {
    if (permits === undefined || restricts === undefined) return assert.fail('not compiled')
    const facts = factsOf({ args: { v: value } })
    if (decide(permits, facts).rule_id === 'line') return true
    return decide(restricts, facts).rule_id === 'line' ? 'unknown' : false
  }
}

for (const { line, ...expected } of cases) {
  test(`${line} says of every listed text what the vectors say`, () => {
    const judge = judgeOf(line)
    for (const truth of [true, false, 'unknown'] as const) {
      for (const value of expected[`${truth}`]) {
        assert.equal(judge(value), truth, `${line} of ${JSON.stringify(value)}`)
      }
    }
  })
}

const chars = (length: number): string => 'x'.repeat(length)
const label = (length: number, char = 'a'): string => char.repeat(length)
const NAME_253 = [63, 63, 63, 61].map((length) => label(length)).join('.')

for (const [line, longest, longer] of [
  ['{ glob = "x*" }', chars(8_192), chars(8_193)],
  ['{ regex = "^x+$" }', chars(8_192), chars(8_193)],
  ['{ scheme_in = "x" }', `x:${chars(8_190)}`, `x:${chars(8_191)}`],
  [
    '{ host_in = "x.example" }',
    `https://x.example/${chars(8_174)}`,
    `https://x.example/${chars(8_175)}`,
  ],
  ['{ subpath_of = "/x" }', `/x/${chars(4_093)}`, `/x/${chars(4_094)}`],
  ['{ email_domain_in = "x.example" }', `${chars(64)}@x.example`, `${chars(65)}@x.example`],
  [
    `{ host_in = "${label(63)}.example" }`,
    `https://${label(63)}.example`,
    `https://${label(64)}.example`,
  ],
  [`{ host_in = "${NAME_253}" }`, `https://${NAME_253}`, `https://${NAME_253}b`],
] as const) {
  test(`${line.slice(0, 40)} is true of the longest text and unknown of a longer one`, () => {
    const judge = judgeOf(line)
    assert.equal(judge(longest), true)
    assert.equal(judge(longer), 'unknown')
  })
}

test('a mail address has at most 254 characters, a host name in ASCII at most 253, a label 63', () => {
  const domain = `${label(63)}.${label(63)}.${label(59)}`
  const mail = judgeOf(`{ email_domain_in = "${domain}" }`)
  assert.equal(mail(`${chars(64)}@${domain}`), true)
  const long = `${label(63)}.${label(63)}.${label(61)}`
  const longMail = judgeOf(`{ email_domain_in = "${long}" }`)
  assert.equal(longMail(`${chars(64)}@${long}`), true)
  assert.equal(judgeOf(`{ email_domain_in = "${long}b" }`)(`${chars(64)}@${long}b`), 'unknown')
  // 57 times the same letter beyond ASCII is 63 characters of ASCII; once more is too long.
  const host = judgeOf('{ host_in = "none.example" }')
  assert.equal(host(`https://${label(59, '\u00fc')}.example`), 'unknown')
  assert.equal(host(`https://${label(20, '\u00fc')}.example`), false)
})

test('lists are judged up to a thousand items, and lengths of lists are counted in items', () => {
  const each = judgeOf('{ each = { eq = 1 } }')
  assert.equal(each(Array.from({ length: 1_000 }, () => 1)), true)
  assert.equal(each(Array.from({ length: 1_001 }, () => 1)), 'unknown')
  const short = judgeOf('{ max_length = 2 }')
  assert.equal(short([1, 2]), true)
  assert.equal(short([1, 2, 3]), false)
})
