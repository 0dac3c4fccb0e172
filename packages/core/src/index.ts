export {
  type Checkpoint,
  type CheckpointRefusal,
  type NoteKey,
  type NoteRefusal,
  type NoteSigner,
  type NoteVerifier,
  noteKeyId,
  parseCheckpoint,
  printCheckpoint,
  signNote,
  verifyNote,
} from './audit/checkpoint.ts'
export {
  appendLeaf,
  type CompactRange,
  type Consistency,
  consistencyProof,
  EMPTY_RANGE,
  type Inclusion,
  inclusionProof,
  leafHash,
  nodeHash,
  rangeRoot,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
} from './audit/merkle.ts'
export {
  type AuditKeyFor,
  type AuditVerifier,
  ChainCheck,
  type ChainFinding,
  type ChainHead,
  type ChainProblem,
  verifyWriterChains,
} from './audit/writer-chain.ts'
export {
  type ActionEvent,
  type AuditType,
  type Effect as ActionEffect,
  EVENT_KINDS,
  type Evaluation,
  type EventKind,
  type Ignored,
} from './lifecycle/events.ts'
export type { Step } from './lifecycle/parts.ts'
export {
  type ActionState,
  CLAIM_GRACE_MS,
  DECISION_ROUNDS_MAX,
  type Evidence,
  GRANT_LIFETIME_MAX_MS,
  GRANTS_PER_ACTION_MAX,
  initialState,
  isFinal,
  type Need,
  type ResultSummary,
  type StateKind,
  wakeAt,
} from './lifecycle/state.ts'
export { step } from './lifecycle/step.ts'
export { actionStateJson, actionStateShape } from './lifecycle/stored.ts'
export type {
  Condition,
  LayerName,
  Limit,
  Policy,
  PolicyDefaults,
  Predicate,
  Rule,
} from './policy/ast.ts'
export { DEFAULT_RULE_ID, LAYERS, POLICY_MAX_CHARS, POLICY_MAX_RULES } from './policy/ast.ts'
export {
  type OpenBundleDeps,
  type OpenedBundle,
  openBundle,
  type PolicyScope,
  type PolicySet,
  type ScopedPolicy,
} from './policy/bundle.ts'
export type { ArgumentChange } from './policy/change.ts'
export { type CheckFinding, checkPolicy } from './policy/check.ts'
export { type CompiledPolicy, type CompileOptions, compilePolicy } from './policy/compile.ts'
export {
  type CompiledLayers,
  decide,
  decideLayers,
  joinLayers,
  type PolicyDecision,
} from './policy/decide.ts'
export {
  type DiffBounds,
  type Doubt,
  diffPolicies,
  type PolicyDiff,
  type Region,
  type RegionLine,
} from './policy/diff.ts'
export {
  type ExplainedLimit,
  type ExplainedLine,
  type ExplainedRule,
  type Explanation,
  explain,
  safeExplain,
  safeHint,
} from './policy/explain.ts'
export {
  type Amount,
  type Chain,
  type Counter,
  extractAmount,
  type LocalTime,
  type PolicyFacts,
  type ToolFacts,
} from './policy/facts.ts'
export { type Finding, findingText } from './policy/findings.ts'
export { type Counting, countingsOf } from './policy/limits.ts'
export { AUTH_METHODS } from './policy/match-syntax.ts'
export { decideNaively } from './policy/naive.ts'
export { type ParseOptions, type PolicyRefusal, parsePolicy } from './policy/parse.ts'
export { valueAt } from './policy/pointer.ts'
export { locate, type Position } from './policy/positions.ts'
export { printPolicy, tomlValue } from './policy/print.ts'
export { type ProposalProblem, type ProposalRefusal, parseProposal } from './policy/proposal.ts'
export {
  type Asks,
  asksOf,
  type DerivedFacts,
  factsFromRecord,
  type Recheck,
  type RecheckRefusal,
  type Recorded,
  recheckDecision,
  redecide,
  zonesOf,
} from './policy/record.ts'
export {
  type Flip,
  type PastDecision,
  type PastIdentity,
  type PastProposal,
  pastFacts,
  type Replay,
  replay,
} from './policy/replay.ts'
export { policySchema } from './policy/schema.ts'
export {
  type Expected,
  type PolicyTest,
  parsePolicyTests,
  runPolicyTests,
  type TestOutcome,
} from './policy/test-tables.ts'
