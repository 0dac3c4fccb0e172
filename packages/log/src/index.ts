export { type LogDeps, type LogStatus, type RunningLog, startLog } from './start-log.ts'
export { LogFault, type LogFaultCode } from './store/log-fault.ts'
