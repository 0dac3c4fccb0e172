const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const

/** A moment as clocks in one zone show it; `minute` counts from midnight. */
export interface ZonedTime {
  readonly day: (typeof DAYS)[number]
  readonly minute: number
}

const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone)
  if (known !== undefined) return known
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
  formats.set(zone, made)
  return made
}

function localTimeOf(zone: string, now: number): ZonedTime | undefined {
  try {
    const parts = formatOf(zone).formatToParts(now)
    const text = (type: string): string => parts.find((part) => part.type === type)?.value ?? ''
    const day = DAYS.find((name) => name === text('weekday').toLowerCase())
    const minute = Number(text('hour')) * 60 + Number(text('minute'))
    return day === undefined || !Number.isInteger(minute) ? undefined : { day, minute }
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/**
 * The decision time (Unix milliseconds) in each zone, by this Node's own time zone tables. A zone
 * that they do not have is left out, which makes every line about it unknown (spec/policy.md
 * "Three-valued matching").
 */
export function localTimesOf(
  zones: readonly string[],
  now: number,
): ReadonlyMap<string, ZonedTime> {
  const times = new Map<string, ZonedTime>()
  for (const zone of zones) {
    const time = localTimeOf(zone, now)
    if (time !== undefined) times.set(zone, time)
  }
  return times
}
