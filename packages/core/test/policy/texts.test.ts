import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePolicy } from '@trustgw/core'
import type { Json } from '@trustgw/protocol'
import { repositoryFile, zeroHash } from '../hashing.ts'
import type { Truth } from './reference.ts'
import { factsOf, type Given, mustParse } from './world.ts'

interface TextCase {
  readonly line: string
  readonly true: readonly string[]
  readonly false: readonly string[]
  readonly unknown: readonly string[]
}

const { cases } = JSON.parse(repositoryFile('vectors/policy/texts.json')) as {
  readonly cases: readonly TextCase[]
}

const policyOf = (line: string): string =>
  `version = 1\n[[rules]]\nid = "r"\npriority = 1\neffect = "allow"\n[rules.match]\n${line}\n`

/** What a line of a match says of a proposal, as the engine hears it. */
function lineJudge(line: string): (given: Given) => Truth {
  const compiled = compilePolicy(mustParse(policyOf(line)), zeroHash)
  const [only, ...others] = compiled.everyRule()[0]?.tests ?? []
  assert.ok(only !== undefined && others.length === 0)
  return (given) => only.judge(compiled.begin(factsOf(given)))
}

function judgeOf(predicates: string): (value: Json) => Truth {
  const judge = lineJudge(`args."/v" = ${predicates}`)
  return (value) => judge({ args: { v: value } })
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

const THREE_VALUED = JSON.parse(repositoryFile('vectors/policy/three-valued.json')) as {
  readonly cases: readonly { readonly line: string; readonly given: Given; readonly truth: Truth }[]
}

test('a line is true, false or unknown, and nothing between', () => {
  for (const { line, given, truth } of THREE_VALUED.cases) {
    if (line.includes('\n')) continue
    assert.equal(lineJudge(line)(given), truth, `${line} ${JSON.stringify(given)}`)
  }
})

test('predicates on one value are joined, and those inside lists too', () => {
  const both = judgeOf('{ gt = 1, type = "integer" }')
  assert.deepEqual([2, 1.5, 1, 'x', null].map(both), [true, false, false, false, false])
  const doubt = judgeOf('{ gt = 1, exists = true }')
  assert.deepEqual([2, 1, 'x', null].map(doubt), [true, false, 'unknown', 'unknown'])
  const each = judgeOf('{ each = { gt = 1 } }')
  assert.deepEqual([[2, 3], [2, 1], [2, 'x'], [1, 'x'], [], 'x', { a: 2 }].map(each), [
    true,
    false,
    'unknown',
    false,
    'unknown',
    'unknown',
    'unknown',
  ])
  const any = judgeOf('{ any = { gt = 1 } }')
  assert.deepEqual([[0, 3], [0, 1], [0, 'x'], [2, 'x'], [], 'x'].map(any), [
    true,
    false,
    'unknown',
    true,
    'unknown',
    'unknown',
  ])
  const among = judgeOf('{ in = ["a", 1] }')
  assert.deepEqual(['a', 1, 'b', 2, true].map(among), [true, true, 'unknown', 'unknown', 'unknown'])
  const keys = judgeOf('{ keys_in = ["a"] }')
  assert.deepEqual([{}, { a: 1 }, { a: 1, b: 1 }, [], 'a', null].map(keys), [
    true,
    true,
    false,
    'unknown',
    'unknown',
    'unknown',
  ])
})

test('a window of time holds from its begin to before its end, past midnight too', () => {
  const at = (line: string, minutes: readonly number[], day = 'mon'): readonly Truth[] => {
    const judge = lineJudge(`time = { ${line}, tz = "UTC" }`)
    return minutes.map((minute) => judge({ local_times: { UTC: { day, minute } } }))
  }
  const edges = [0, 1, 479, 480, 1_079, 1_080, 1_439]
  for (const [line, truths] of [
    ['from = "08:00", to = "18:00"', [false, false, false, true, true, false, false]],
    ['from = "18:00", to = "08:00"', [true, true, true, false, false, true, true]],
    ['from = "08:00"', [false, false, false, true, true, true, true]],
    ['to = "08:00"', [true, true, true, false, false, false, false]],
    ['from = "00:00"', [true, true, true, true, true, true, true]],
    ['to = "00:00"', [false, false, false, false, false, false, false]],
    ['from = "00:00", to = "00:01"', [true, false, false, false, false, false, false]],
    ['from = "23:59", to = "00:00"', [false, false, false, false, false, false, true]],
    ['days = ["mon", "tue"]', [true, true, true, true, true, true, true]],
    ['days = ["tue"]', [false, false, false, false, false, false, false]],
    ['days = ["mon"], to = "08:00"', [true, true, true, false, false, false, false]],
  ] as const) {
    assert.deepEqual(at(line, edges), truths, line)
  }
  assert.deepEqual(at('from = "08:00"', [500], 'sun'), [true])
  assert.equal(lineJudge('time = { from = "08:00", tz = "UTC" }')({}), 'unknown')
})
