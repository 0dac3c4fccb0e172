const SECOND_MS = 1_000
const MINUTE_S = 60
const HOUR_S = 3_600
const SOON_S = 60
const LAST_S = 15

/** How much of a deadline is left. The words carry the urgency, never a colour alone. */
export interface TimeLeft {
  readonly seconds: number
  /** 1 at the start, 0 at the deadline. */
  readonly fraction: number
  readonly urgency: 'calm' | 'soon' | 'last' | 'over'
  /** `4:05`, `1:02:09`, `0:00`. */
  readonly clock: string
  /** `4 minutes 5 seconds left`, for a screen reader. */
  readonly spoken: string
}

export interface Span {
  readonly startMs: number
  readonly endMs: number
}

/** Time left of a span at `nowMs` (the server's clock). Rounded up, so 0 means over. */
export function timeLeft(span: Span, nowMs: number): TimeLeft {
  const leftMs = Math.max(0, span.endMs - nowMs)
  const wholeMs = Math.max(1, span.endMs - span.startMs)
  const seconds = Math.ceil(leftMs / SECOND_MS)
  return {
    seconds,
    fraction: Math.min(1, leftMs / wholeMs),
    urgency: urgencyOf(seconds),
    clock: clockOf(seconds),
    spoken: seconds === 0 ? 'no time left' : `${spokenOf(seconds)} left`,
  }
}

function urgencyOf(seconds: number): TimeLeft['urgency'] {
  if (seconds === 0) return 'over'
  if (seconds <= LAST_S) return 'last'
  return seconds <= SOON_S ? 'soon' : 'calm'
}

function clockOf(seconds: number): string {
  const hours = Math.floor(seconds / HOUR_S)
  const minutes = Math.floor((seconds % HOUR_S) / MINUTE_S)
  const rest = String(seconds % MINUTE_S).padStart(2, '0')
  return hours === 0 ? `${minutes}:${rest}` : `${hours}:${String(minutes).padStart(2, '0')}:${rest}`
}

function spokenOf(seconds: number): string {
  const parts = [
    counted(Math.floor(seconds / HOUR_S), 'hour'),
    counted(Math.floor((seconds % HOUR_S) / MINUTE_S), 'minute'),
    counted(seconds % MINUTE_S, 'second'),
  ]
  return parts.filter((part) => part !== '').join(' ')
}

function counted(count: number, noun: string): string {
  if (count === 0) return ''
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`
}

/** `12 s ago`, `4 min ago`, `3 h ago`, `2 d ago`; the future reads as `now`. */
export function ago(thenMs: number, nowMs: number): string {
  const seconds = Math.floor((nowMs - thenMs) / SECOND_MS)
  if (seconds < 5) return 'now'
  if (seconds < MINUTE_S) return `${seconds} s ago`
  if (seconds < HOUR_S) return `${Math.floor(seconds / MINUTE_S)} min ago`
  if (seconds < 24 * HOUR_S) return `${Math.floor(seconds / HOUR_S)} h ago`
  return `${Math.floor(seconds / (24 * HOUR_S))} d ago`
}
