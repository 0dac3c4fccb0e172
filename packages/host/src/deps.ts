import type { JwsSigner, JwsVerifier, Profile, TenantId } from '@trustgw/protocol'
import type {
  AuditWriter,
  Bus,
  Clock,
  FreezeBook,
  KeySetView,
  Logger,
  Random,
  RecordStore,
  StoredPublisher,
  StoredReader,
} from '@trustgw/runtime'

/** A key of the host for one purpose: signs, and checks what it signed. */
export interface HostKey {
  readonly kid: string
  readonly sign: JwsSigner
  readonly verify: JwsVerifier
}

/** A short-lived identity for the portal's live connection. */
export interface BusTicket {
  /** The NATS bearer user JWT; goes into an HttpOnly cookie and nowhere else. */
  readonly jwt: string
  /** `_INBOX.<unguessable name>`. */
  readonly inboxPrefix: string
}

/** Times in Unix seconds. Makes tickets with the scoped signing key of the tenant's people account. */
export interface BusTicketIssuer {
  issue(times: { readonly issuedAt: number; readonly expiresAt: number }): BusTicket
}

/** What the supervisor learns after an enrolment: enough to make a pin of it, nothing secret. */
export interface EnrolledMessage {
  readonly kind: 'enrolled'
  readonly tenant: TenantId
  readonly person: string
  readonly name: string
  readonly roles: readonly string[]
  readonly credential_id: string
  /** The approval credential's COSE key, base64url. */
  readonly public_key: string
  readonly rp_id: string
  readonly origins: readonly string[]
  readonly fingerprint: string
}

/** Whose signatures the host believes of what it shows; it decides nothing by them. */
export interface HostTrust {
  readonly operatorKeyFor: (kid: string) => JwsVerifier | undefined
  /** Keys of role `audit` of the component `gateway`. */
  readonly gatewayAuditKeyFor: (kid: string) => JwsVerifier | undefined
  /** Keys of role `result` of an executor profile. */
  readonly executorKeyFor: (profile: Profile, kid: string) => JwsVerifier | undefined
}

/** The keys that this host believes, for people to see. */
export interface HostKeys {
  readonly view: (now: number) => KeySetView
  readonly onNews: (listener: () => void) => () => void
}

export interface HostDeps {
  readonly bus: Bus
  readonly acl: RecordStore
  readonly approvals: RecordStore
  readonly sessions: RecordStore
  /** Which messages stand in chats. */
  readonly channelMessages: RecordStore
  /** What people have to find out, as the gateway lays it out. */
  readonly unsettled: RecordStore
  /** The stream of UI events; actions that are known only from it are listed after a restart. */
  readonly uiEvents: StoredReader
  /** Policy bundles; the host adds those that an admin's passkey sealed. */
  readonly policies: RecordStore
  readonly policyStatus: RecordStore
  /** The contracts under which tools are called, and those that came after them. */
  readonly toolTrust: RecordStore
  /** What admins ordered about tools. */
  readonly toolOrders: RecordStore
  /** The freezes that this host believes. */
  readonly freezes: Pick<FreezeBook, 'standing' | 'count' | 'offer' | 'onChange' | 'isRevoked'>
  /** The bucket `freezes`; the host adds what people's passkeys signed. */
  readonly freezeRecords: RecordStore
  /** The bucket `pins`; the host adds what an admin's passkey signed. */
  readonly pins: RecordStore
  /** Agents that the operator registered. */
  readonly agents: RecordStore
  /** The bucket `agent_notices`; the host adds what an admin's passkey signed. */
  readonly agentNotices: RecordStore
  /** Tells portals what changed. */
  readonly ui: StoredPublisher
  /** What executors serve, and which bundle each of them pinned. */
  readonly tools: RecordStore
  /** The stream of the bucket `actions`, read from its end. */
  readonly actions: StoredReader
  readonly trust: HostTrust
  readonly keys: HostKeys
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly audit: AuditWriter
  readonly hostKey: HostKey
  readonly sessionKey: HostKey
  readonly tickets: BusTicketIssuer
  /** Told once per enrolment, after the person is stored. A fault of it is logged. */
  readonly onEnrolled: (message: EnrolledMessage) => void
}
