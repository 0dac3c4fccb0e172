/**
 * What must hold whatever happens, each said once. Tests cite an invariant by its id in their
 * names; `scripts/check-repo.mjs` fails on one that no test under `packages/<name>/test` cites, on an
 * id that is not here, and on a section that the specification does not have.
 */
export interface Invariant {
  readonly id: `INV-${number}`
  readonly sentence: string
  /** `protocol §4`, or `policy "Heading"`. */
  readonly spec: string
}

export const INVARIANTS: readonly Invariant[] = [
  // What people and policy allow
  { id: 'INV-01', sentence: 'What no rule allows is denied', spec: 'policy "Decision"' },
  {
    id: 'INV-02',
    sentence: 'Adding a deny never permits more',
    spec: 'policy "Three-valued matching"',
  },
  {
    id: 'INV-03',
    sentence: 'Making a fact unknown never permits more',
    spec: 'policy "Three-valued matching"',
  },
  {
    id: 'INV-04',
    sentence: 'A policy with anything that is not understood does not load',
    spec: 'policy "Bad policies never load"',
  },
  {
    id: 'INV-05',
    sentence:
      'The operation of a tool is declared; undeclared counts as the highest risk, and an upstream can only raise it',
    spec: 'policy "What a rule can match"',
  },
  {
    id: 'INV-06',
    sentence: 'Amounts are exact and of one currency, or unknown',
    spec: 'policy "What a rule can match"',
  },

  // What is signed and read
  {
    id: 'INV-07',
    sentence: 'Text from outside is parsed strictly, once, and frozen',
    spec: 'protocol §2',
  },
  {
    id: 'INV-08',
    sentence: 'Equal values have one canonical form and one hash',
    spec: 'protocol §2',
  },
  {
    id: 'INV-09',
    sentence: 'A stored key is injective and can hold no wildcard',
    spec: 'protocol §2',
  },
  { id: 'INV-10', sentence: 'A message with an unknown member is refused', spec: 'protocol §3' },
  {
    id: 'INV-11',
    sentence:
      'A token is EdDSA with exactly alg, kid and typ, and nothing of it is given out before its signature holds',
    spec: 'protocol §4',
  },

  // What runs
  {
    id: 'INV-12',
    sentence: 'No grant without a recorded decision, seen by gateway and executor each',
    spec: 'protocol §1',
  },
  {
    id: 'INV-13',
    sentence: 'Whatever differs from what was granted is not admitted',
    spec: 'protocol §4',
  },
  { id: 'INV-14', sentence: 'A grant is admitted within its life only', spec: 'protocol §4' },
  { id: 'INV-15', sentence: 'A nonce is claimed once, for ever', spec: 'protocol §6' },
  {
    id: 'INV-16',
    sentence: 'An action has one journal entry, so its tool is entered at most once',
    spec: 'protocol §5',
  },
  {
    id: 'INV-17',
    sentence: 'An outcome that nobody saw is unknown, and the call is never repeated blindly',
    spec: 'protocol §5',
  },
  { id: 'INV-18', sentence: 'Final states absorb every event', spec: 'protocol §5' },
  {
    id: 'INV-19',
    sentence: 'Every state takes every event, and recovery is the normal loop',
    spec: 'protocol §5',
  },
  {
    id: 'INV-40',
    sentence: 'What was sent ends by the word of an executor, and never by time or a wish alone',
    spec: 'protocol §5',
  },
  {
    id: 'INV-35',
    sentence: 'The executor decides again by the policy that it pinned, and refuses any difference',
    spec: 'protocol §4',
  },
  {
    id: 'INV-36',
    sentence:
      "A policy comes into force by the operator's root, its delegate or a pinned admin only, and its epoch only grows",
    spec: 'protocol §4',
  },

  // What people sign
  {
    id: 'INV-20',
    sentence:
      'From tier 1 up nothing is dispatched without the whole quorum of other people at its tier',
    spec: 'protocol §5',
  },
  {
    id: 'INV-21',
    sentence: 'An approval is for exactly one action: the challenge is the hash of its statement',
    spec: 'protocol §3',
  },
  { id: 'INV-22', sentence: 'A signed deny never approves', spec: 'protocol §4' },
  { id: 'INV-23', sentence: 'The initiator never approves', spec: 'protocol §5' },
  {
    id: 'INV-24',
    sentence:
      'Only a credential pinned at the executor, and never one for signing in, approves from tier 2 up',
    spec: 'protocol §4',
  },
  {
    id: 'INV-25',
    sentence: 'The page offers approval only of what it hashed itself',
    spec: 'protocol §3',
  },

  // The bus
  {
    id: 'INV-26',
    sentence: 'Nobody is on the bus without an identity of its own',
    spec: 'protocol §6',
  },
  {
    id: 'INV-27',
    sentence: 'An identity publishes and hears its own subjects only',
    spec: 'protocol §6',
  },
  {
    id: 'INV-28',
    sentence: 'A reply steered elsewhere changes nothing and is taken for nothing',
    spec: 'protocol §6',
  },
  {
    id: 'INV-29',
    sentence:
      'No running service can change a stream, and insert-only streams are checked at start',
    spec: 'protocol §6',
  },
  { id: 'INV-30', sentence: 'An executor writes under its own profile only', spec: 'protocol §6' },

  // The record and the keeping of secrets
  {
    id: 'INV-31',
    sentence: 'An audit event that was changed, removed, swapped or added is found',
    spec: 'protocol §7',
  },
  {
    id: 'INV-32',
    sentence: 'A stored value that its writer did not sign is not acted on',
    spec: 'protocol §6',
  },
  {
    id: 'INV-33',
    sentence:
      'Secrets lie in files for their owner only and appear in no log and no environment of a tool',
    spec: 'protocol §1',
  },
  {
    id: 'INV-34',
    sentence: 'Production refuses every development convenience by name',
    spec: 'protocol §8',
  },

  // Memory
  {
    id: 'INV-37',
    sentence:
      'Whatever the order in which gateways act or die, no more runs than a limit has places for, or else with the approval that the limit asks for',
    spec: 'policy "Limits"',
  },
  {
    id: 'INV-38',
    sentence: 'A limit gets back what never ran, and nothing whose end nobody saw',
    spec: 'policy "Limits"',
  },
  {
    id: 'INV-39',
    sentence: 'A grant names a decision of its own moment, made again of what was approved',
    spec: 'protocol §4',
  },

  // Keys and signs of life
  {
    id: 'INV-51',
    sentence: 'An executor that heard neither host nor log within two seconds admits nothing',
    spec: 'protocol §4',
  },
  {
    id: 'INV-52',
    sentence: 'A key that is revoked is believed by no connected executor, up to the claim itself',
    spec: 'protocol §4',
  },
  {
    id: 'INV-53',
    sentence: 'A key set is believed under the pinned root only, and epochs of key sets only grow',
    spec: 'protocol §4',
  },
]
