import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileRegex } from '../../src/policy/regex.ts'
import { regexExample } from '../../src/policy/regex-example.ts'

const exampleOf = (pattern: string): string => regexExample({ kind: 'regex', pattern })

test('an example has of each class, alternative and repetition the least that is found', () => {
  for (const [pattern, example] of [
    ['', ''],
    ['ab', 'ab'],
    ['^ab$', 'ab'],
    ['\\Aab\\z', 'ab'],
    ['@partner\\.example$', '@partner.example'],
    ['^[A-Z]{2}\\d{4,6}z{3,}$', 'AA0000zzz'],
    ['[^x!-/@\\s]', '0'],
    ['[a\\]b]+]', ']]'],
    ['.', 'x'],
    ['a*b+c?d*?e+?f??g', 'beg'],
    ['a??', ''],
    ['é{2}', 'éé'],
    ['^(?:foo|bar|)+-(a|b){2}$', 'foo-aa'],
    ['(a(b|c)|d)e', 'abe'],
    ['a|b', 'a'],
    ['^(?P<name>\\w)(?<other>\\W)$', 'x '],
    ['(?i)^ok$', 'ok'],
    ['(?is)^ok$', 'ok'],
    ['(x(?i)y){2}', 'xyxy'],
    ['(?i:ok)+x', 'okx'],
    ['a[{1]', 'a1'],
    ['a{2}?b{0,3}?', 'aa'],
    ['(?-s:ok)x', 'okx'],
    ['\\p{Lu}\\PL\\S', 'A0x'],
    ['^\\bab\\b$', 'ab'],
    ['\\{1}', '{1}'],
    ['a{x}', 'a{x}'],
    ['x{1000}', 'x'.repeat(1_000)],
  ] as const) {
    assert.equal(exampleOf(pattern), example, pattern)
    assert.equal(compileRegex(pattern)?.find(example), true, pattern)
  }
})

test('of what is not read rightly there is some text, that whoever uses it has to try', () => {
  for (const pattern of ['^\\Qa.b\\E$', '\\xZ', '((((', ')', '[', '(?:x{1000}){1000}']) {
    const example = exampleOf(pattern)
    assert.ok(example.length <= 1_024, pattern)
    assert.notEqual(compileRegex(pattern)?.find(example), true, pattern)
  }
})
