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
export type { Clock } from './clock/clock.ts'
export type { LogFields, Logger, LogLevel, LogValue } from './log/logger.ts'
export type { Random } from './random/random.ts'
export type {
  Claim,
  ClaimEntry,
  ClaimOutcome,
  ClaimStore,
  InsertOnlyOutcome,
} from './store/claim-store.ts'
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
export { AjvSchemaCompiler } from './schema/ajv-schema-compiler.ts'
export {
  SCHEMA_MAX_BYTES,
  SCHEMA_PATTERN_MAX_CHARS,
  type SchemaCompiler,
  type SchemaMismatch,
  type SchemaRefusal,
  type SchemaValidator,
} from './schema/schema.ts'
