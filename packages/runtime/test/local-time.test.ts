import assert from 'node:assert/strict'
import { test } from 'node:test'
import { localTimesOf } from '../src/clock/local-time.ts'

function shown(zone: string, utc: string): string {
  const time = localTimesOf([zone], Date.parse(utc)).get(zone)
  if (time === undefined) return 'unknown'
  const [hour, minute] = [Math.floor(time.minute / 60), time.minute % 60]
  return `${time.day} ${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`
}

const CASES: readonly (readonly [zone: string, utc: string, local: string])[] = [
  ['UTC', '2026-01-01T00:00:00Z', 'thu 00:00'],
  ['UTC', '2026-01-01T23:59:59.999Z', 'thu 23:59'],
  // Clocks in Berlin go from 02:00 to 03:00.
  ['Europe/Berlin', '2026-03-29T00:59:59Z', 'sun 01:59'],
  ['Europe/Berlin', '2026-03-29T01:00:00Z', 'sun 03:00'],
  // And from 03:00 back to 02:00: the hour comes twice.
  ['Europe/Berlin', '2026-10-25T00:30:00Z', 'sun 02:30'],
  ['Europe/Berlin', '2026-10-25T01:30:00Z', 'sun 02:30'],
  ['Europe/Berlin', '2026-10-25T02:00:00Z', 'sun 03:00'],
  ['America/New_York', '2026-03-08T06:59:00Z', 'sun 01:59'],
  ['America/New_York', '2026-03-08T07:00:00Z', 'sun 03:00'],
  ['America/New_York', '2026-11-01T05:30:00Z', 'sun 01:30'],
  ['America/New_York', '2026-11-01T06:30:00Z', 'sun 01:30'],
  // Half an hour of summer time, on the other half of the earth.
  ['Australia/Lord_Howe', '2026-04-04T14:59:00Z', 'sun 01:59'],
  ['Australia/Lord_Howe', '2026-04-04T15:00:00Z', 'sun 01:30'],
  ['Asia/Kathmandu', '2026-01-01T00:00:00Z', 'thu 05:45'],
  ['Pacific/Kiritimati', '2026-01-01T10:00:00Z', 'fri 00:00'],
  ['Pacific/Apia', '2011-12-30T09:59:00Z', 'thu 23:59'],
  ['Pacific/Apia', '2011-12-30T10:00:00Z', 'sat 00:00'],
  ['Nowhere/Land', '2026-01-01T00:00:00Z', 'unknown'],
]

for (const [zone, utc, local] of CASES) {
  test(`at ${utc} clocks in ${zone} show ${local}`, () => {
    assert.equal(shown(zone, utc), local)
  })
}

test('every zone that is known is there, and only those', () => {
  const times = localTimesOf(['UTC', 'Nowhere/Land', 'Asia/Tokyo'], 0)
  assert.deepEqual([...times.keys()], ['UTC', 'Asia/Tokyo'])
  assert.equal(localTimesOf([], 0).size, 0)
})
