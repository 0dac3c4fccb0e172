export type { ApprovalDesk } from './approvals/approval-desk.ts'
export type { ChannelSettings } from './channels/channels.ts'
export { credentialFingerprint } from './crypto.ts'
export type {
  BusTicket,
  BusTicketIssuer,
  EnrolledMessage,
  HostDeps,
  HostKey,
  HostTrust,
} from './deps.ts'
export { ListenFault } from './http/listener.ts'
export { type InstallationStatus, installationStatusShape } from './installation.ts'
export { KeyRotation, type KeyRotationDeps, ROTATION_SWEEP_MS } from './keys/key-rotation.ts'
export { type HostCore, type RunningHost, runHost, startHostCore } from './run-host.ts'
export type { Session } from './session/session-desk.ts'
export { type HostSettings, SettingsFault } from './settings.ts'
