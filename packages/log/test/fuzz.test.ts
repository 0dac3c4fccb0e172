import assert from 'node:assert/strict'
import { test } from 'node:test'
import { auditEventShape, canonicalize, utf8Encode } from '@trustgw/protocol'
import { bytesNear, fuzzRun, untouchable, valuesOf } from '@trustgw/testkit/fuzz'
import fc from 'fast-check'
import { parseEntry, printEntry, readMessage } from '../src/store/entry.ts'
import { parseLogName } from '../src/store/log-files.ts'

const name = parseLogName('demo')
assert.ok(name !== undefined)
const { good, odd } = valuesOf(auditEventShape)
const written = (value: typeof good): fc.Arbitrary<Uint8Array> =>
  value.map((event) => utf8Encode(canonicalize(event)))
const part = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('demo', 'gateway', 'evaluated', '*', '\u{ffff}'),
)
const subject = fc.oneof(
  fc.tuple(part, part, part, part).map((parts) => `audit.v1.${parts.join('.')}`),
  fc.constant('audit.v1.demo.gateway.1.evaluated'),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constant(`audit.v1.demo.gateway.1.${'x'.repeat(4_096)}\u{1f600}`),
  fc.nat(3).map((cut) => `${'x'.repeat(4_093 + cut)}\u{1f600}`),
)

test('whatever is in the audit stream, the log writes an entry that it reads again as the same', () => {
  fc.assert(
    fc.property(
      subject,
      fc.oneof(written(good), written(odd), bytesNear(written(good)), fc.uint8Array()),
      fc.nat(),
      (at, data, seq) => {
        const entry = readMessage({ subject: at, data, seq }, name)
        const again = parseEntry(utf8Encode(printEntry(entry)))
        assert.ok(again.ok, `${JSON.stringify(at)} ${again.ok ? '' : again.reason}`)
        assert.deepEqual(again.value, entry)
      },
    ),
    fuzzRun(),
  )
})

test('a line near to one of the log is that line or none', () => {
  const line = fc
    .tuple(subject, fc.oneof(written(good), fc.uint8Array()))
    .map(([at, data]) => utf8Encode(printEntry(readMessage({ subject: at, data, seq: 1 }, name))))
  fc.assert(
    fc.property(bytesNear(line), (bytes) => {
      const read = parseEntry(bytes)
      if (read.ok) assert.deepEqual(Buffer.from(printEntry(read.value)), Buffer.from(bytes))
    }),
    fuzzRun(),
  )
})

test('a message above the size of an event is not looked into', () => {
  const at = { subject: 'audit.v1.demo.gateway.1.evaluated', seq: 1 }
  assert.throws(() => readMessage({ ...at, data: untouchable(16_384) }, name), /looked at/)
  const large = new Uint8Array(16_385).fill(0x7b)
  const entry = readMessage({ ...at, data: large }, name)
  assert.equal(entry.kind === 'rejected' && entry.problem, 'event_too_large')
})
