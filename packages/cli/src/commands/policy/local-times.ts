import { DAYS, type LocalTime } from '@trustgw/core'

/** What clocks show at a time (Unix milliseconds) in each of the zones. */
export function localTimes(
  zones: readonly string[],
  time_ms: number,
): ReadonlyMap<string, LocalTime> {
  return new Map(zones.map((zone) => [zone, localTime(zone, time_ms)] as const))
}

/** One for each zone that policies name; making one costs more than using it. */
const clocks = new Map<string, Intl.DateTimeFormat>()

function clockOf(zone: string): Intl.DateTimeFormat {
  let clock = clocks.get(zone)
  if (clock === undefined) {
    clock = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
    clocks.set(zone, clock)
  }
  return clock
}

function localTime(zone: string, time_ms: number): LocalTime {
  const parts = clockOf(zone).formatToParts(time_ms)
  const part = (type: string): string => parts.find((one) => one.type === type)?.value ?? ''
  const day = DAYS.find((one) => one === part('weekday').toLowerCase())
  if (day === undefined) throw new TypeError(`no day in ${zone}`)
  return { day, minute: Number(part('hour')) * 60 + Number(part('minute')) }
}
