/** What a clock on a wall shows. `minute` counts from midnight, 0 to 1439. */
export interface WallTime {
  readonly day: 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun'
  readonly minute: number
}

const DAYS: ReadonlyMap<string, WallTime['day']> = new Map([
  ['Mon', 'mon'],
  ['Tue', 'tue'],
  ['Wed', 'wed'],
  ['Thu', 'thu'],
  ['Fri', 'fri'],
  ['Sat', 'sat'],
  ['Sun', 'sun'],
])

/** As many zones as policies name in practice; making a formatter costs more than using it. */
const FORMATS_MAX = 256
const formats = new Map<string, Intl.DateTimeFormat>()

/**
 * The local time in each zone at a moment in Unix milliseconds, by the Gregorian calendar and the
 * time zone data of this Node.js; seconds are cut off. A zone that this Node.js does not know is left
 * out, so that what asks for it is unknown. Around a change of clocks it is what the clocks show: an
 * hour may come twice or not at all. Two Node.js versions agree unless a zone's rules changed between
 * their time zone data.
 */
export function localTimesOf(zones: readonly string[], now: number): ReadonlyMap<string, WallTime> {
  const times = new Map<string, WallTime>()
  for (const zone of zones) {
    const time = localTime(zone, now)
    if (time !== undefined) times.set(zone, time)
  }
  return times
}

function localTime(zone: string, now: number): WallTime | undefined {
  const parts = new Map(
    formatOf(zone)
      ?.formatToParts(now)
      .map(({ type, value }) => [type, value]),
  )
  const day = DAYS.get(parts.get('weekday') ?? '')
  const minute = Number(parts.get('hour')) * 60 + Number(parts.get('minute'))
  return day === undefined || !Number.isInteger(minute) ? undefined : { day, minute }
}

function formatOf(timeZone: string): Intl.DateTimeFormat | undefined {
  const known = formats.get(timeZone)
  if (known !== undefined) return known
  try {
    const format = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
    if (formats.size >= FORMATS_MAX) formats.clear()
    formats.set(timeZone, format)
    return format
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}
