/** What a log line may carry: no objects, no bytes, no errors, so that no payload slips in whole. */
export type LogValue = string | number | boolean | undefined
export type LogFields = { readonly [name: string]: LogValue }
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/**
 * A structured log. `event` is a constant snake_case code, not a sentence with values in it. Never
 * throws; losing lines when the sink is gone is accepted (the audit is elsewhere).
 */
export interface Logger {
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
  /** The same log with these fields on every line. */
  with(fields: LogFields): Logger
}
