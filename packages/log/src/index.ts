export { type LogDeps, type LogStatus, type RunningLog, startLog } from './start-log.ts'
export {
  type EventEntry,
  entryJson,
  type LogEntry,
  type RejectedEntry,
  type Rejection,
} from './store/entry.ts'
export { LogFault, type LogFaultCode } from './store/log-fault.ts'
export {
  type LogFiles,
  type LogName,
  logFiles,
  logOrigin,
  parseLogName,
  UNATTRIBUTED,
} from './store/log-files.ts'
export { type TailLine, type TailOptions, type TailOutcome, tailLog } from './tail-log.ts'
export type {
  FailureCode,
  Finding,
  FindingCode,
  FindingPlace,
  NoticeCode,
  VerifyReport,
  WriterReport,
} from './verify/report.ts'
export { type VerifyOptions, verifyLog } from './verify/verify-log.ts'
