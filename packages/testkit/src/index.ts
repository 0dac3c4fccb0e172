export { browserArguments, openBrowser, type TestBrowser } from './browser.ts'
export { BrowserError, type BrowserErrorCode } from './browser-error.ts'
export {
  agentsAccountKey,
  type BusWorld,
  type BusWorldOptions,
  type PortalConnectOptions,
  type PortalLogin,
  startBusWorld,
  type WorldCreds,
} from './bus-world.ts'
export { Approver } from './chaos/approver.ts'
export { type BrowserOptions, type FoundBrowser, findBrowser } from './find-browser.ts'
export { HOSTILE_TEXTS, type HostileText } from './hostile-texts.ts'
export {
  type AssertionTwist,
  type AuthenticatorAlgorithm,
  SoftwareAuthenticator,
  type SoftwareAuthenticatorOptions,
} from './software-authenticator.ts'
export {
  type CommandOutcome,
  type RunningSystem,
  type SystemOptions,
  startSystem,
} from './system.ts'
export { type UnpackedChromium, unpackChromium } from './unpacked-chromium.ts'
export {
  addVirtualAuthenticator,
  type VirtualAuthenticator,
  type VirtualCredential,
} from './virtual-authenticator.ts'
