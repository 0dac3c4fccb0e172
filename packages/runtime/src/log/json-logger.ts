import type { Clock } from '../clock/clock.ts'
import type { LogFields, Logger, LogLevel, LogValue } from './logger.ts'

/** Longest text in one field; the rest is cut. */
export const LOG_TEXT_MAX_CHARS = 256

const LEVELS: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 }

/** Shapes of secrets that must not pass even by mistake: API keys, nkey seeds, PEM, compact JWS. */
const SECRETS: readonly RegExp[] = [
  /tgk_[a-z0-9-]+_[A-Za-z0-9]+_\S+/g,
  /\bS[ANOUCX][A-Z2-7]{50,}/g,
  /-----BEGIN[^-]*-----[\s\S]*/g,
  /\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,2}/g,
  /\b[Bb]earer\s+\S+/g,
]

export interface JsonLoggerOptions {
  /** Takes one line without its newline. Must not throw. */
  readonly write: (line: string) => void
  readonly clock: Clock
  readonly level: LogLevel
  /** On every line; `process` names the component. */
  readonly fields?: LogFields
}

/** One JSON object a line: `time`, `level`, `event`, then the fields. */
export function jsonLogger(options: JsonLoggerOptions): Logger {
  const log = (level: LogLevel, event: string, fields: LogFields = {}): void => {
    if (LEVELS[level] < LEVELS[options.level]) return
    const time = new Date(options.clock.now()).toISOString()
    const line = { time, level, event: safe(event), ...safeFields(options.fields ?? {}) }
    options.write(JSON.stringify({ ...safeFields(fields), ...line }))
  }
  return {
    debug: (event, fields) => log('debug', event, fields),
    info: (event, fields) => log('info', event, fields),
    warn: (event, fields) => log('warn', event, fields),
    error: (event, fields) => log('error', event, fields),
    with: (fields) => jsonLogger({ ...options, fields: { ...options.fields, ...fields } }),
  }
}

/** A logger that drops everything. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => silentLogger,
}

function safeFields(fields: LogFields): Record<string, LogValue> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, safe(value)]))
}

/** Callers are typed; what slips past the types (an object, an error) is named by its type only. */
function safe(value: LogValue): LogValue {
  if (value === undefined || typeof value === 'boolean' || typeof value === 'number') return value
  if (typeof value !== 'string') return `[${typeof value}]`
  let text = value
  for (const secret of SECRETS) text = text.replace(secret, '[redacted]')
  return text.length > LOG_TEXT_MAX_CHARS ? `${text.slice(0, LOG_TEXT_MAX_CHARS)}…` : text
}
