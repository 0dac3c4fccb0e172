import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printPolicy, tomlValue } from '@trustgw/core'
import { mustParse } from './world.ts'

const withNumber = (written: string): string =>
  `version = 1\n[[rules]]\nid = "r"\npriority = 1\neffect = "deny"\nmatch.args."/n".eq = ${written}\n`

test('a number is printed so that the file read again says the same number', () => {
  for (const written of [
    '0',
    '-7',
    '1.5',
    '9007199254740991',
    '9007199254740992.0',
    '1152921504606846976.0',
    '-1152921504606846976.0',
    '1e21',
    '-12e300',
    '1.5e-7',
    '1e-7',
  ]) {
    const policy = mustParse(withNumber(written))
    assert.deepEqual(mustParse(printPolicy(policy)), policy, written)
  }
})

test('a value is written on one line as TOML writes it, and what TOML has not is refused', () => {
  for (const [value, written] of [
    [1e21, '1.0e+21'],
    [-12e300, '-1.2e+301'],
    [2 ** 60, '1152921504606847000.0'],
    [1.5e-7, '1.5e-7'],
    [{}, '{}'],
    [{ a: [1, true], 'b c': 'd' }, '{ a = [1, true], "b c" = "d" }'],
    [{ 'a/b': 1 }, '{ "a/b" = 1 }'],
    [-1e25, '-1.0e+25'],
  ] as const) {
    assert.equal(tomlValue(value), written)
  }
  assert.throws(() => tomlValue(null), new TypeError('TOML has no null'))
})
