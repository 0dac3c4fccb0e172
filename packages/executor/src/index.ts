export { type AdmissionDeps, clearAction } from './admit/admission.ts'
export { CoseKey } from './admit/cose-key.ts'
export { ADMISSION_REASONS, type AdmissionReason, RETRYABLE_REASONS } from './admit/reasons.ts'
export { ToolIndex } from './admit/tool-index.ts'
export { checkAssertion, decodeAssertion } from './admit/webauthn.ts'
export type { Connector, RunOutcome, ToolRun } from './connectors/connector.ts'
export { Credentials } from './connectors/credentials.ts'
export { loadManifests, type ManifestsOutcome } from './connectors/load-manifests.ts'
export { formatProblem } from './connectors/toml-document.ts'
export { ExecutorFault, type ExecutorFaultCode } from './executor-fault.ts'
export { type Pin, pinShape } from './pins/pin.ts'
export {
  addPin,
  type PinRefusal,
  pinFingerprint,
  pinFirst,
  readPins,
  revokePin,
} from './pins/pin-file.ts'
export type { PinSource } from './pins/pin-registry.ts'
export {
  type ExecutorParts,
  type ExecutorRunDeps,
  type ExecutorSettings,
  MAX_RUNNING,
  type RunningExecutor,
  runExecutor,
  type ServiceKey,
  startExecutor,
} from './run-executor.ts'
