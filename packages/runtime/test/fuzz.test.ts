import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusFault } from '@trustgw/runtime'
import { bytesNear, fuzzRun } from '@trustgw/testkit/fuzz'
import fc from 'fast-check'
import { parseRequester } from '../src/bus/requester.ts'
import { decodeClaim, encodeClaim } from '../src/store/claim-entry.ts'
import { apiRefusal, parseApiAnswer } from '../src/store/js-api.ts'

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value))

/** The value, or undefined for what the reader calls malformed; any other fault fails the test. */
function orMalformed<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    assert.ok(error instanceof BusFault && error.code === 'store_malformed')
    return undefined
  }
}

test('a claim is read as it was written, or called malformed', () => {
  const claim = fc.record({
    attempt: fc.stringMatching(/^[A-Za-z0-9_-]{16,64}$/),
    note: fc.string({ maxLength: 20 }),
  })
  fc.assert(
    fc.property(claim, (given) => {
      assert.deepEqual(decodeClaim(encodeClaim(given), 7), { ...given, seq: 7 })
    }),
    fuzzRun(),
  )
  fc.assert(
    fc.property(fc.oneof(bytesNear(claim.map(encodeClaim)), json.map(bytes)), (data) => {
      const read = orMalformed(() => decodeClaim(data, 7))
      if (read !== undefined) assert.equal(typeof read.attempt, 'string')
    }),
    fuzzRun(),
  )
})

test('an answer of the stream server is an object, or called malformed', () => {
  const answer = json.map((error) => bytes(`{"error":${error},"seq":1}`))
  fc.assert(
    fc.property(fc.oneof(answer, bytesNear(answer), fc.uint8Array()), (data) => {
      const read = orMalformed(() => parseApiAnswer(data))
      const refusal = read === undefined ? undefined : apiRefusal(read)
      if (refusal !== undefined) assert.equal(typeof refusal.code, 'number')
    }),
    fuzzRun(),
  )
})

test('what the server says of a requester is read with a key of an account, or not at all', () => {
  const info = fc
    .record({ acc: fc.oneof(json, fc.constant(`"A${'A'.repeat(55)}"`)), user: json, name: json })
    .map(({ acc, user, name }) => `{"acc":${acc},"user":${user},"name":${name}}`)
  fc.assert(
    fc.property(fc.oneof(info, json, fc.string()), (header) => {
      const read = parseRequester(header)
      if (read !== undefined) assert.match(read.account, /^A[A-Z2-7]{55}$/)
    }),
    fuzzRun(),
  )
})
