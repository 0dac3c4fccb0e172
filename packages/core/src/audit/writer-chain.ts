/** The chains that writers of audit events sign (spec/protocol.md §7), checked event by event. */
import {
  type AuditEvent,
  auditEventHash,
  auditSigningInput,
  base64urlDecode,
  chainStart,
  type Hash,
  type Sha256,
} from '@trustgw/protocol'

/** Chains one check follows: tenants × writers. */
const CHAINS_MAX = 100_000

/** True when the Ed25519 signature is the key's over the UTF-8 bytes of the input. */
export type AuditVerifier = (input: string, signature: Uint8Array) => boolean

/** The key that might sign this writer's events under this key id at that time; undefined when there is none. */
export type AuditKeyFor = (
  event: Pick<AuditEvent, 'kid' | 'tenant' | 'time' | 'writer'>,
) => AuditVerifier | undefined

export type ChainProblem =
  /** Events between are not there. */
  | 'event_missing'
  /** A number that was passed already: repeated, or out of order. */
  | 'event_out_of_order'
  /** The event does not follow the one before: one of the two is not what was written. */
  | 'previous_hash_wrong'
  | 'key_unknown'
  | 'signature_wrong'
  | 'too_many_chains'

export interface ChainFinding {
  readonly problem: ChainProblem
  readonly tenant: string
  readonly writer: string
  readonly event_id: string
  readonly seq: number
  /** The number that was due. */
  readonly expected_seq: number
}

/** Where one writer's chain stands. */
export interface ChainHead {
  readonly tenant: string
  readonly writer: string
  readonly seq: number
  readonly hash: Hash
}

/**
 * Follows every writer's chain through events in stored order. An event cut from the end of a
 * chain leaves no gap: compare {@link heads} with what the log's checkpoint covers.
 */
export class ChainCheck {
  readonly #sha256: Sha256
  readonly #keyFor: AuditKeyFor
  readonly #heads = new Map<string, ChainHead>()

  constructor(sha256: Sha256, keyFor: AuditKeyFor) {
    this.#sha256 = sha256
    this.#keyFor = keyFor
  }

  /**
   * What is wrong with the next event. The chain goes on from it, so that one fault is one
   * finding; an event out of order leaves the chain where it was.
   */
  add(event: AuditEvent): readonly ChainFinding[] {
    const { tenant, writer, seq, event_id } = event
    const chain = JSON.stringify([tenant, writer])
    const head = this.#heads.get(chain)
    const expected_seq = (head?.seq ?? 0) + 1
    const find = (problem: ChainProblem): ChainFinding => ({
      problem,
      tenant,
      writer,
      event_id,
      seq,
      expected_seq,
    })
    if (head === undefined && this.#heads.size >= CHAINS_MAX) return [find('too_many_chains')]
    const findings: ChainFinding[] = []
    const forged = this.#signatureProblem(event)
    if (forged !== null) findings.push(find(forged))
    if (seq < expected_seq) return [...findings, find('event_out_of_order')]
    if (seq > expected_seq) findings.push(find('event_missing'))
    else if (event.prev_hash !== (head?.hash ?? chainStart(this.#sha256))) {
      findings.push(find('previous_hash_wrong'))
    }
    const hash = auditEventHash(this.#sha256, event)
    this.#heads.set(chain, { tenant, writer, seq, hash })
    return findings
  }

  #signatureProblem(event: AuditEvent): ChainProblem | null {
    const verify = this.#keyFor(event)
    if (verify === undefined) return 'key_unknown'
    const signature = base64urlDecode(event.sig)
    if (signature === undefined) return 'signature_wrong'
    return verify(auditSigningInput(event), signature) ? null : 'signature_wrong'
  }

  heads(): readonly ChainHead[] {
    return [...this.#heads.values()]
  }
}

/** Everything wrong with the chains of these events, in stored order; empty when they hold. */
export function verifyWriterChains(
  sha256: Sha256,
  keyFor: AuditKeyFor,
  events: Iterable<AuditEvent>,
): readonly ChainFinding[] {
  const check = new ChainCheck(sha256, keyFor)
  const findings: ChainFinding[] = []
  for (const event of events) findings.push(...check.add(event))
  return findings
}
