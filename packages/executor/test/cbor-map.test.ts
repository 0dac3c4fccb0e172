import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readIntegerMap } from '../src/admit/cbor-map.ts'
import { type CoseMember, cose } from './support/hostile/keys.ts'

const read = (hex: string): readonly (readonly unknown[])[] | undefined => {
  const map = readIntegerMap(Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex')))
  return map === undefined ? undefined : [...map]
}

test('integers and byte strings of every short length are read', () => {
  assert.deepEqual(read('a0'), [])
  assert.deepEqual(read('a1 17 20'), [[23, -1]])
  assert.deepEqual(read('a1 18 18 38 18'), [[24, -25]])
  assert.deepEqual(read('a1 19 01 00 39 ff ff'), [[256, -65_536]])
  assert.deepEqual(read('a1 01 40'), [[1, new Uint8Array()]])
  assert.deepEqual(read('a1 01 42 07 08'), [[1, Uint8Array.of(7, 8)]])
})

test('every other form is no map', () => {
  const forms: Readonly<Record<string, string>> = {
    nothing: '',
    'an integer': '01',
    'a list': '80',
    'a text as a name': 'a1 61 61 01',
    'a text as a value': 'a1 01 61 61',
    'a list as a value': 'a1 01 80',
    'a map as a value': 'a1 01 a0',
    'a tag': 'a1 01 c1 01',
    'a simple value': 'a1 01 f6',
    'a float': 'a1 01 f9 00 00',
    'bytes as a name': 'a1 41 01 01',
    'a name twice': 'a2 01 01 01 02',
    'a member less than it says': 'a2 01 01',
    'a name without a value': 'a1 01',
    'a byte more': 'a1 01 01 00',
    'a length that is cut off': 'a1 01 58',
    'half of a length': 'a1 01 59 01',
    'bytes that are cut off': 'a1 01 42 07',
    'a length in a byte too many': 'a1 18 17 01',
    'a length in two bytes too many': 'a1 19 00 ff 01',
    'a length in four bytes': 'a1 1a 00 00 00 01 01',
    'a length in eight bytes': 'a1 1b 00 00 00 00 00 00 00 01 01',
    'a reserved length': 'a1 1c 01',
    'an indefinite map': 'bf 01 01 ff',
    'indefinite bytes': 'a1 01 5f 41 01 ff',
  }
  for (const [name, hex] of Object.entries(forms)) assert.equal(read(hex), undefined, name)
})

test('a map has at most eight members and 1 024 bytes', () => {
  const members = (count: number): readonly CoseMember[] =>
    Array.from({ length: count }, (_, at) => [at, at] as const)
  assert.equal(readIntegerMap(cose(...members(8)))?.size, 8)
  assert.equal(readIntegerMap(cose(...members(9))), undefined)
  const large = (bytes: number): Uint8Array => cose([1, new Uint8Array(bytes - 5)])
  assert.equal(large(1_024).length, 1_024)
  assert.equal(readIntegerMap(large(1_024))?.size, 1)
  assert.equal(readIntegerMap(large(1_025)), undefined)
})
