import type { LocalTime } from '@trustgw/core'

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const

function localTimeOf(zone: string, at: number): LocalTime | undefined {
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
    const parts = format.formatToParts(at)
    const text = (type: string): string => parts.find((part) => part.type === type)?.value ?? ''
    const day = DAYS.find((name) => name === text('weekday').toLowerCase())
    return day === undefined ? undefined : { day, minute: +text('hour') * 60 + +text('minute') }
  } catch {
    // A zone that this browser does not know stays unknown, as on a server.
    return undefined
  }
}

/** A moment as clocks in each zone show it, by this browser's tables. */
export function localTimesOf(zones: readonly string[], at: number): ReadonlyMap<string, LocalTime> {
  const times = new Map<string, LocalTime>()
  for (const zone of zones) {
    const time = localTimeOf(zone, at)
    if (time !== undefined) times.set(zone, time)
  }
  return times
}
