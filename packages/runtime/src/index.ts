export {
  AuditFault,
  type AuditFaultCode,
  type AuditFields,
  type AuditStored,
  type AuditWriter,
} from './audit/audit-writer.ts'
export { auditWriterName, type ChainWriterOptions } from './audit/chain-writer.ts'
export { type StartAuditWriterOptions, startAuditWriter } from './audit/start-audit-writer.ts'
export { type BeatSourceDeps, startBeats } from './beat/beat-source.ts'
export {
  type Bus,
  BusFault,
  type BusFaultCode,
  type BusMessage,
  type BusRequest,
  type BusStatus,
  type BusSubscription,
  RESPOND_BACKLOG,
  RESPOND_CONCURRENCY,
  type Requester,
  type RequestHandler,
  type RequestOptions,
  type RespondOptions,
} from './bus/bus.ts'
export type {
  BucketOptions,
  BusLink,
  ConsumerOptions,
  PublisherOptions,
  StreamHome,
  StreamOptions,
} from './bus/bus-link.ts'
export { CONNECT_BUDGET_MS, type ConnectNatsOptions, connectNats } from './bus/connect-nats.ts'
export type { Crossing } from './bus/crossing.ts'
export {
  executorCrossings,
  MemoryBroker,
  type MemoryBrokerOptions,
  type MemoryLinkOptions,
} from './bus/memory-broker.ts'
export type { Clock } from './clock/clock.ts'
export { localTimesOf, type WallTime } from './clock/local-time.ts'
export { ManualClock } from './clock/manual-clock.ts'
export { stopController } from './clock/stop-controller.ts'
export { systemClock } from './clock/system-clock.ts'
export {
  type GeneratedKey,
  generateSigningKey,
  isSoundEd25519Key,
  type Passphrase,
  type SigningKey,
  signingKeyFromPem,
  verifierOf,
} from './crypto/ed25519.ts'
export { sha256 } from './crypto/hash.ts'
export {
  addKeyToFolder,
  createSigningKeyFile,
  isSealedKeyFile,
  keyFileIn,
  keyFingerprint,
  keyIdOf,
  loadKeyFolder,
  loadSigningKey,
  type NamedKey,
  readPassphrase,
  sealKeyFile,
} from './crypto/key-files.ts'
export {
  type KeyQuery,
  type KeyValidity,
  type PublicKey,
  PublicKeys,
} from './crypto/public-keys.ts'
export { type Disk, type DiskHandle, nodeDisk } from './file/disk.ts'
export {
  type AtomicWriteOptions,
  atomicWriteFile,
  FileFault,
  type FileFaultCode,
  makePrivateDir,
  readPrivateFile,
  readSecretFile,
  SECRET_DIR_MODE,
  SECRET_FILE_MODE,
} from './file/private-file.ts'
export { SyncedAppender } from './file/synced-appender.ts'
export {
  FREEZE_LOOK_EVERY_MS,
  FREEZE_RETRY_MS,
  FreezeBook,
  type FreezeBookDeps,
  type FreezeNews,
  isForGood,
  type StandingFreeze,
  storeNotice,
} from './freeze/freeze-book.ts'
export { type FreezeNewsRecorder, recordFreezeNews } from './freeze/record-freeze-news.ts'
export { freezeKeysAt, verifyNoticeSeal } from './freeze/verify-notice.ts'
export {
  KeyBook,
  type KeyBookDeps,
  type KeyBookRefusal,
  type KeyNews,
  type KeyStores,
} from './keys/key-book.ts'
export {
  type KeyChange,
  KeyPublisher,
  type KeyPublisherDeps,
  KeySetFault,
  type OpenOffer,
} from './keys/key-publisher.ts'
export { type KeySetView, type KeyStanding, type KeyView, viewKeySet } from './keys/key-view.ts'
export {
  isInUse,
  KEY_LEAD_MS,
  type KeySetSigner,
  type RotationTimes,
  sealNext,
  withRevoked,
  withRotated,
} from './keys/next-key-set.ts'
export { type KeyNewsRecorder, recordKeyNews } from './keys/record-key-news.ts'
export {
  loadTrust,
  pinRoots,
  readKeySetFile,
  readRoots,
  writeKeySet,
} from './keys/trust-files.ts'
export { LEASE_MS, Lease, type LeaseDeps, type LeaseEntry } from './lease/lease.ts'
export { type JsonLoggerOptions, jsonLogger, silentLogger } from './log/json-logger.ts'
export type { LogFields, Logger, LogLevel, LogValue } from './log/logger.ts'
export { PACED_EVERY_MS, Paced } from './log/paced.ts'
export { type FindBinaryOptions, findNatsServer, type NatsBinary } from './nats/binary.ts'
export {
  BUS_COOKIE,
  type BusCluster,
  type BusConfigOptions,
  buildBusConfig,
  busAccountJwt,
  busAccountKeys,
} from './nats/bus-config.ts'
export { type BusKeys, createBusKeys, loadBusKeys, revokeBusUser } from './nats/bus-keys.ts'
export {
  type BusRole,
  type IssuedUser,
  isCurrentUser,
  issueUser,
  portalToken,
} from './nats/bus-users.ts'
export {
  type BusCreds,
  type BusSignature,
  parseCreds,
  readCredsFile,
  writeCredsFile,
} from './nats/creds.ts'
export type { NatsExit } from './nats/nats-child.ts'
export { NatsError, type NatsErrorCode } from './nats/nats-error.ts'
export { type NKey, nkeyFromSeed } from './nats/nkeys.ts'
export {
  type ProvisionConnections,
  provisionStreams,
  pushAccount,
  pushTenant,
} from './nats/provision.ts'
export {
  type BusPorts,
  type NatsServer,
  type NatsServerOptions,
  startNatsServer,
} from './nats/server.ts'
export { insertOnlyProblems } from './nats/streams.ts'
export {
  agentsAccount,
  executorAccount,
  GATEWAY_ACCOUNT,
  HOST_ACCOUNT,
  peopleAccount,
} from './nats/topology.ts'
export { deflateText, inflatePolicies, inflateText } from './policy/deflate.ts'
export {
  type InForce,
  PolicyBook,
  type PolicyBookDeps,
  type PolicyBookRefusal,
  type PolicyNews,
} from './policy/policy-book.ts'
export { nodeRandom } from './random/node-random.ts'
export type { Random } from './random/random.ts'
export { SeededRandom } from './random/seeded-random.ts'
export { AjvSchemaCompiler } from './schema/ajv-schema-compiler.ts'
export {
  SCHEMA_MAX_BYTES,
  SCHEMA_PATTERN_MAX_CHARS,
  type SchemaCompiler,
  type SchemaMismatch,
  type SchemaRefusal,
  type SchemaValidator,
} from './schema/schema.ts'
export {
  SETTING_KEYS,
  SETTINGS,
  SETTINGS_FILE_VARIABLE,
  type SettingKey,
  type Settings,
} from './settings/definition.ts'
export type { Listen } from './settings/kind.ts'
export type { SettingsProblem, SettingsReason } from './settings/problem.ts'
export {
  readSettings,
  type SettingsOutcome,
  type SettingsSources,
} from './settings/read-settings.ts'
export { settingsReference } from './settings/reference.ts'
export { isLoopbackHost, parseDuration, parseListen } from './settings/values.ts'
export type {
  Claim,
  ClaimEntry,
  ClaimOutcome,
  ClaimStore,
  InsertOnlyOutcome,
} from './store/claim-store.ts'
export { LiveCopy, type LiveCopyDeps } from './store/live-copy.ts'
export {
  type CreateOutcome,
  RECORD_KEY_MAX_BYTES,
  RECORD_VALUE_MAX_BYTES,
  type RecordChange,
  type RecordStore,
  type ReplaceOutcome,
  type StoredRecord,
} from './store/record-store.ts'
export {
  type Delivery,
  type DeliveryOutcome,
  RETRY_PAUSE_MS,
  type StoredConsumer,
} from './store/stored-consumer.ts'
export {
  PUBLISH_STORED_BUDGET_MS,
  PUBLISH_STORED_PAUSE_MS,
  PUBLISH_STORED_TRY_MS,
  type PublishStoredOptions,
  type Stored,
  type StoredPublisher,
} from './store/stored-publisher.ts'
export type { StoredMessage, StoredReader } from './store/stored-reader.ts'
