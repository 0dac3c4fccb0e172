import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePolicy, decide } from '@trustgw/core'
import fc from 'fast-check'
import { zeroHash } from '../hashing.ts'
import { decideText, factsOf } from './world.ts'

/** Globs by trying everything: short to read, slow to run. */
function naive(glob: string, separator: string, value: string): boolean {
  if (glob === '') return value === ''
  const crosses = glob.startsWith('**')
  if (!glob.startsWith('*')) {
    return value.startsWith(glob.charAt(0)) && naive(glob.slice(1), separator, value.slice(1))
  }
  for (let taken = 0; taken <= value.length; taken++) {
    if (!crosses && value.slice(0, taken).includes(separator)) return false
    if (naive(glob.slice(crosses ? 2 : 1), separator, value.slice(taken))) return true
  }
  return false
}

function matchesTool(globs: readonly string[], tool: string): boolean {
  const compiled = compilePolicy(
    {
      version: 1,
      defaults: { effect: 'deny', grant_ttl_ms: 1_000, approval_ttl_ms: 1_000 },
      rules: [
        {
          id: 'r',
          priority: 1,
          effect: 'allow',
          tier: 0,
          reason: 'r',
          approvers: null,
          undo_ms: 0,
          match: [{ kind: 'tool', globs }],
        },
      ],
      limits: [],
    },
    zeroHash,
  )
  return decide(compiled, factsOf({ tool })).effect === 'allow'
}

test('a tool glob matches as trying everything does', () => {
  const glob = fc
    .array(fc.constantFrom('a', 'b', '.', '*', '**'), { minLength: 1, maxLength: 7 })
    .map((parts) => parts.join(''))
    .filter((text) => !text.includes('***'))
  const value = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 9 })
  fc.assert(
    fc.property(glob, value, (text, tool) => {
      assert.equal(matchesTool([text], tool), naive(text, '.', tool))
    }),
    { numRuns: 3_000 },
  )
})

test('one star stays inside a part of a tool id and two stars cross', () => {
  assert.equal(matchesTool(['shop.*'], 'shop.refund'), true)
  assert.equal(matchesTool(['shop.*'], 'shop.eu.refund'), false)
  assert.equal(matchesTool(['shop.**'], 'shop.eu.refund'), true)
  assert.equal(matchesTool(['*.refund', 'files.read'], 'files.read'), true)
  assert.equal(matchesTool(['**'], 'anything.at.all'), true)
  assert.equal(matchesTool(['shop.refund'], 'shop.refunds'), false)
})

test('a glob over an argument keeps one star inside a segment of a path', () => {
  const text = `version = 1
[[rules]]
id = "r"
priority = 1
effect = "allow"
[rules.match]
args."/path" = { glob = "/srv/*.txt" }
`
  const effect = (path: string): string => decideText(text, { args: { path } }).effect
  assert.equal(effect('/srv/a.b.txt'), 'allow')
  assert.equal(effect('/srv/a/b.txt'), 'deny')
})

test('a glob over a hostile value ends soon, and over a too long one is unknown', () => {
  const stars = 'a*'.repeat(100)
  const text = `version = 1
[[rules]]
id = "r"
priority = 1
effect = "deny"
[rules.match]
args."/v" = { glob = "${stars}b" }
[[rules]]
id = "s"
priority = 2
effect = "allow"
[rules.match]
tool = ["**"]
`
  const hostile = decideText(text, { args: { v: 'a'.repeat(8_192) } })
  assert.deepEqual([hostile.effect, hostile.unknown], ['allow', []])
  const long = decideText(text, { args: { v: 'a'.repeat(8_193) } })
  assert.deepEqual([long.effect, long.unknown], ['deny', ['args:/v']])
})
