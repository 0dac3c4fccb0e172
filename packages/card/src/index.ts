export { type AmountView } from './amount.ts'
export {
  approvalShape,
  approvalsShape,
  type EarlierAnswer,
  earlierShape,
  type ShownApproval,
} from './answers.ts'
export { type ArgumentRow, argumentRows, endsOf } from './arguments.ts'
export { type CardContext, type CardReview, type PlacedFinding, reviewCard } from './card-review.ts'
export { challengeOf } from './challenge.ts'
export {
  type AttentionHead,
  attentionHead,
  type ComparedWith,
  comparedWords,
  NOT_COMPARED,
} from './compared.ts'
export { approvalConsequence, DENIAL_CONSEQUENCE } from './consequences.ts'
export { type RowReview, reviewRows, standingWords } from './differences.ts'
export {
  type EarlierApproval,
  type EarlierCall,
  type EarlierCalls,
  reviewEarlier,
} from './earlier.ts'
export { type Finding } from './finding.ts'
export { type HardenedText, hardenText, type Segment } from './harden.ts'
export { ink, inkLine } from './ink.ts'
export { type JudgedValue, judgeValue } from './judge-value.ts'
export { needsSentence } from './needs.ts'
export { chainWords, originWords } from './origins.ts'
export { type Standing } from './past.ts'
export {
  type BoundValues,
  type Ceremony,
  type ReviewedRequest,
  type ReviewRefusal,
  reviewRequest,
  type Signable,
  signableApproval,
} from './review.ts'
export { type Course, courseOf, type ProgressStep, type StateView, stateView } from './states.ts'
export { type ActionSummary, moreWords, type NamedValue } from './summary.ts'
export {
  type CardLine,
  type CardSection,
  rowLines,
  type TextCardContext,
  textCard,
} from './text-card.ts'
export { ago, type Span, type TimeLeft, timeLeft } from './time-left.ts'
export { mismatchSentence, operationNoun } from './words.ts'
