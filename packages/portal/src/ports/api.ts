import {
  approvalShape,
  approvalsShape,
  type EarlierAnswer,
  earlierShape,
  type ShownApproval,
} from '@trustgw/card'
import {
  type ActionEvent,
  type ApprovalRequest,
  type OutcomeDecision,
  type Shape,
  type ToolOrder,
  type UnsettledAction,
} from '@trustgw/protocol'
import type { AgentWish, ListedKey } from '../logic/agents.ts'
import type { FreezeWish, ListedFreeze } from '../logic/freezes.ts'
import type { ListedPerson } from '../logic/pinning.ts'
import type { PolicyText } from '../logic/policy-draft.ts'
import type { PolicyStatusView } from '../logic/policy-status.ts'
import {
  type Ended,
  endedShape,
  type LinkCode,
  linkCodeShape,
  type OwnChannel,
  type OwnPasskey,
  type OwnSession,
  ownChannelsShape,
  ownPasskeysShape,
  ownSessionsShape,
  type PasskeyAdded,
  type PasskeyBegun,
  passkeyAddedShape,
  passkeyBegunShape,
  type WaitingTerminal,
  waitingTerminalShape,
} from './account-shapes.ts'
import {
  type AgentChallenge,
  agentChallengeShape,
  agentsShape,
  registeredShape,
} from './agent-shapes.ts'
import { type Answer, Caller } from './caller.ts'
import {
  type FreezeChallenge,
  freezeChallengeShape,
  freezesShape,
  frozenShape,
  type LinkGiven,
  linkGivenShape,
  type PersonDetail,
  type PinChallenge,
  peopleShape,
  personDetailShape,
  pinChallengeShape,
  pinnedShape,
} from './people-shapes.ts'
import {
  type Applied,
  type ApprovalCeremony,
  actionsShape,
  addressShape,
  appliedShape,
  ceremonyShape,
  type EnrolBegin,
  type EnrolFinish,
  type EnrolLogin,
  enrolBeginShape,
  enrolFinishShape,
  enrolLoginShape,
  type Installation,
  installationShape,
  type KeySet,
  keysShape,
  type ListedContract,
  type LoginBegin,
  loginBeginShape,
  orderedShape,
  outcomesShape,
  type PolicyAnswer,
  type PolicyChallenge,
  policyChallengeShape,
  policyShape,
  policyStatusShape,
  type RecordedAnswer,
  recordedShape,
  type Session,
  sessionShape,
  stateShape,
  toolsShape,
} from './shapes.ts'

export type { Answer } from './caller.ts'

/** What a passkey gave, as the library serialises it; sent on as it is. */
export type PasskeyResponse = object

/** The host's HTTP API. Each answer was parsed; a call never throws. */
export interface Api {
  readonly session: () => Promise<Answer<Session>>
  readonly signOut: () => Promise<Answer<null>>
  readonly actions: () => Promise<
    Answer<{ readonly actions: readonly ActionEvent[]; readonly whole: boolean }>
  >
  readonly approvals: () => Promise<Answer<{ readonly approvals: readonly ApprovalRequest[] }>>
  /** The most urgent of them alone. */
  readonly urgentApprovals: Api['approvals']
  readonly approval: (id: string) => Promise<Answer<ShownApproval>>
  readonly earlier: (id: string) => Promise<Answer<EarlierAnswer>>
  /** The address of the page on which this approval is signed, where that is not the portal. */
  readonly approvalPage: (id: string) => Promise<Answer<{ readonly address: string }>>
  readonly beginApproval: (id: string) => Promise<Answer<ApprovalCeremony>>
  readonly approve: (
    id: string,
    proof: { readonly nonce: string; readonly assertion: PasskeyResponse | null },
  ) => Promise<Answer<{ readonly state: string }>>
  readonly deny: (id: string, reason: string) => Promise<Answer<{ readonly state: string }>>
  readonly outcomes: () => Promise<Answer<{ readonly actions: readonly UnsettledAction[] }>>
  readonly settle: (
    id: string,
    finding: Pick<OutcomeDecision, 'jti' | 'outcome' | 'reason'>,
  ) => Promise<Answer<{ readonly state: string }>>
  readonly tools: () => Promise<Answer<{ readonly tools: readonly ListedContract[] }>>
  readonly orderTool: (
    order: Pick<ToolOrder, 'tool_id' | 'contract_hash' | 'order' | 'reason'>,
  ) => Promise<Answer<{ readonly order: string }>>
  readonly freezes: () => Promise<Answer<{ readonly freezes: readonly ListedFreeze[] }>>
  readonly freezeChallenge: (wish: FreezeWish) => Promise<Answer<FreezeChallenge>>
  readonly freezeApply: (
    nonce: string,
    assertion: PasskeyResponse,
  ) => Promise<Answer<{ readonly hash: string }>>
  readonly people: () => Promise<Answer<{ readonly people: readonly ListedPerson[] }>>
  readonly pinChallenge: (wish: {
    readonly person: string
    readonly credential_id: string
    readonly fingerprint: string
  }) => Promise<Answer<PinChallenge>>
  readonly pinApply: (
    nonce: string,
    assertion: PasskeyResponse,
  ) => Promise<Answer<{ readonly person: string }>>
  readonly agents: () => Promise<Answer<{ readonly agents: readonly ListedKey[] }>>
  readonly agentChallenge: (wish: AgentWish) => Promise<Answer<AgentChallenge>>
  readonly agentApply: (
    nonce: string,
    assertion: PasskeyResponse,
  ) => Promise<Answer<{ readonly key_id: string }>>
  readonly person: (id: string) => Promise<Answer<PersonDetail>>
  readonly invite: (id: string, roles: readonly string[]) => Promise<Answer<LinkGiven>>
  readonly recover: (id: string) => Promise<Answer<LinkGiven>>
  readonly setRoles: (id: string, roles: readonly string[]) => Promise<Answer<Ended>>
  readonly removePerson: (id: string) => Promise<Answer<Ended>>
  readonly endSessionsOf: (id: string) => Promise<Answer<Ended>>
  readonly keys: () => Promise<Answer<KeySet>>
  readonly installation: () => Promise<Answer<Installation>>
  readonly policy: () => Promise<Answer<PolicyAnswer>>
  readonly policyStatus: () => Promise<Answer<PolicyStatusView>>
  readonly policyRecorded: () => Promise<Answer<RecordedAnswer>>
  readonly policyChallenge: (policies: readonly PolicyText[]) => Promise<Answer<PolicyChallenge>>
  readonly policyApply: (nonce: string, assertion: PasskeyResponse) => Promise<Answer<Applied>>
  readonly enrolBegin: (token: string, name: string) => Promise<Answer<EnrolBegin>>
  readonly enrolLogin: (ceremony: string, response: PasskeyResponse) => Promise<Answer<EnrolLogin>>
  readonly enrolFinish: (
    ceremony: string,
    response: PasskeyResponse,
  ) => Promise<Answer<EnrolFinish>>
  readonly loginBegin: () => Promise<Answer<LoginBegin>>
  readonly loginFinish: (ceremony: string, response: PasskeyResponse) => Promise<Answer<Session>>
  readonly stepUpBegin: () => Promise<Answer<LoginBegin>>
  readonly stepUpFinish: (ceremony: string, response: PasskeyResponse) => Promise<Answer<null>>
  /** Who asks for the passkey when a call takes it; true: it was given, and the call goes out again. */
  readonly onStepUpNeeded: (ask: () => Promise<boolean>) => void
  readonly passkeys: () => Promise<Answer<{ readonly passkeys: readonly OwnPasskey[] }>>
  readonly passkeyBegin: (purpose: OwnPasskey['purpose']) => Promise<Answer<PasskeyBegun>>
  readonly passkeyFinish: (made: {
    readonly ceremony: string
    readonly name: string
    readonly response: PasskeyResponse
  }) => Promise<Answer<PasskeyAdded>>
  readonly passkeyRename: (id: string, name: string) => Promise<Answer<null>>
  readonly passkeyRemove: (id: string) => Promise<Answer<Ended>>
  readonly sessions: () => Promise<Answer<{ readonly sessions: readonly OwnSession[] }>>
  readonly endSession: (sid: string) => Promise<Answer<Ended>>
  readonly endSessions: (keepThis: boolean) => Promise<Answer<Ended>>
  readonly channels: () => Promise<Answer<{ readonly channels: readonly OwnChannel[] }>>
  readonly channelLink: (channel: OwnChannel['channel']) => Promise<Answer<LinkCode>>
  readonly channelUnlink: (channel: OwnChannel['channel']) => Promise<Answer<null>>
  readonly terminalLook: (code: string) => Promise<Answer<WaitingTerminal>>
  readonly terminalDecide: (code: string, verdict: TerminalVerdict) => Promise<Answer<null>>
}

export type TerminalVerdict = 'allow' | 'refuse'

const nothing: Shape<null> = { description: {}, read: () => ({ ok: true, value: null }) }

function approvalPath(id: string): string {
  return `/api/approvals/${encodeURIComponent(id)}`
}

function passkeyPath(id: string): string {
  return `/api/passkeys/${encodeURIComponent(id)}`
}

function personPath(id: string): string {
  return `/api/people/${encodeURIComponent(id)}`
}

/** The API of the page's own origin. */
export function httpApi(ticket?: string): Api {
  const { get, post, remove, onStepUpNeeded } = new Caller(ticket)
  return {
    onStepUpNeeded,
    ...accountCalls({ get, post, remove }),
    ...personCalls({ get, post, remove }),
    session: () => get('/api/session', sessionShape),
    signOut: () => remove('/api/session', {}, nothing),
    actions: () => get('/api/actions', actionsShape),
    approvals: () => get('/api/approvals', approvalsShape),
    urgentApprovals: () => get('/api/approvals/urgent', approvalsShape),
    approval: (id) => get(approvalPath(id), approvalShape),
    earlier: (id) => get(`${approvalPath(id)}/earlier`, earlierShape),
    approvalPage: (id) => post(`${approvalPath(id)}/page`, {}, addressShape),
    beginApproval: (id) => post(`${approvalPath(id)}/begin`, {}, ceremonyShape),
    approve: (id, proof) => post(`${approvalPath(id)}/approve`, proof, stateShape),
    deny: (id, reason) => post(`${approvalPath(id)}/deny`, { reason }, stateShape),
    outcomes: () => get('/api/outcomes', outcomesShape),
    settle: (id, finding) => post(`/api/outcomes/${encodeURIComponent(id)}`, finding, stateShape),
    tools: () => get('/api/tools', toolsShape),
    orderTool: (order) => post('/api/tools/order', order, orderedShape),
    freezes: () => get('/api/freezes', freezesShape),
    freezeChallenge: (wish) => post('/api/freezes/challenge', wish, freezeChallengeShape),
    freezeApply: (nonce, assertion) =>
      post('/api/freezes/apply', { nonce, assertion }, frozenShape),
    people: () => get('/api/people', peopleShape),
    pinChallenge: (wish) => post('/api/people/pin/challenge', wish, pinChallengeShape),
    pinApply: (nonce, assertion) =>
      post('/api/people/pin/apply', { nonce, assertion }, pinnedShape),
    agents: () => get('/api/agents', agentsShape),
    agentChallenge: (wish) => post('/api/agents/challenge', wish, agentChallengeShape),
    agentApply: (nonce, assertion) =>
      post('/api/agents/apply', { nonce, assertion }, registeredShape),
    installation: () => get('/api/installation', installationShape),
    keys: () => get('/api/keys', keysShape),
    policy: () => get('/api/policy', policyShape),
    policyStatus: () => get('/api/policy/status', policyStatusShape),
    policyRecorded: () => get('/api/policy/recorded', recordedShape),
    policyChallenge: (policies) =>
      post('/api/policy/challenge', { policies }, policyChallengeShape),
    policyApply: (nonce, assertion) =>
      post('/api/policy/apply', { nonce, assertion }, appliedShape),
    enrolBegin: (token, name) => post('/api/enrolment/begin', { token, name }, enrolBeginShape),
    enrolLogin: (ceremony, response) =>
      post('/api/enrolment/login', { ceremony, response }, enrolLoginShape),
    enrolFinish: (ceremony, response) =>
      post('/api/enrolment/finish', { ceremony, response }, enrolFinishShape),
    loginBegin: () => post('/api/login/begin', {}, loginBeginShape),
    loginFinish: (ceremony, response) =>
      post('/api/login/finish', { ceremony, response }, sessionShape),
  }
}

type PersonCalls = 'person' | 'invite' | 'recover' | 'setRoles' | 'removePerson' | 'endSessionsOf'

function personCalls({
  get,
  post,
  remove,
}: Pick<Caller, 'get' | 'post' | 'remove'>): Pick<Api, PersonCalls> {
  return {
    person: (id) => get(personPath(id), personDetailShape),
    invite: (person, roles) => post('/api/people', { person, roles }, linkGivenShape),
    recover: (id) => post(`${personPath(id)}/recovery`, {}, linkGivenShape),
    setRoles: (id, roles) => post(`${personPath(id)}/roles`, { roles }, endedShape),
    removePerson: (id) => remove(personPath(id), {}, endedShape),
    endSessionsOf: (id) => remove(`${personPath(id)}/sessions`, {}, endedShape),
  }
}

type AccountCalls =
  | 'stepUpBegin'
  | 'stepUpFinish'
  | 'passkeys'
  | 'passkeyBegin'
  | 'passkeyFinish'
  | 'passkeyRename'
  | 'passkeyRemove'
  | 'sessions'
  | 'endSession'
  | 'endSessions'
  | 'terminalLook'
  | 'terminalDecide'
  | 'channels'
  | 'channelLink'
  | 'channelUnlink'

function accountCalls({
  get,
  post,
  remove,
}: Pick<Caller, 'get' | 'post' | 'remove'>): Pick<Api, AccountCalls> {
  return {
    stepUpBegin: () => post('/api/step-up/begin', {}, loginBeginShape),
    stepUpFinish: (ceremony, response) =>
      post('/api/step-up/finish', { ceremony, response }, nothing),
    passkeys: () => get('/api/passkeys', ownPasskeysShape),
    passkeyBegin: (purpose) => post('/api/passkeys/begin', { purpose }, passkeyBegunShape),
    passkeyFinish: (made) => post('/api/passkeys/finish', made, passkeyAddedShape),
    passkeyRename: (id, name) => post(`${passkeyPath(id)}/name`, { name }, nothing),
    passkeyRemove: (id) => remove(passkeyPath(id), {}, endedShape),
    sessions: () => get('/api/sessions', ownSessionsShape),
    endSession: (sid) => remove(`/api/sessions/${encodeURIComponent(sid)}`, {}, endedShape),
    endSessions: (keepThis) => remove('/api/sessions', { keep_this: keepThis }, endedShape),
    channels: () => get('/api/channels', ownChannelsShape),
    channelLink: (channel) => post('/api/channels/link', { channel }, linkCodeShape),
    channelUnlink: (channel) => remove(`/api/channels/${channel}`, {}, nothing),
    terminalLook: (code) => post('/api/device/look', { user_code: code }, waitingTerminalShape),
    terminalDecide: (code, verdict) =>
      post('/api/device/decide', { user_code: code, verdict }, nothing),
  }
}
