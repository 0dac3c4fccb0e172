import { randomBytes } from 'node:crypto'
import { bundleOf, PLATFORM, type PolicyFile, storyTools } from './policy-story.ts'

interface InForce {
  readonly epoch: number
  readonly bundle_hash: string
  readonly issued_at: number
  readonly sealed_by: string
}

/** What the double answers of policy; checks nothing and lets the gateway follow on its word. */
export class PolicyDouble {
  policies: readonly PolicyFile[] = [PLATFORM]
  epoch = 7
  issuedAt = Date.now() - 3 * 86_400_000
  sealedBy = 'operator'
  recorded: readonly object[] = []
  tools: readonly object[] = storyTools
  /** Whether those who decide take up what is applied. */
  follows = true
  /** What the gateway and the executor decide by; undefined: the newest. */
  decides: { readonly epoch: number; readonly bundle_hash: string } | null | undefined
  refused: object | null = null
  /** A code with which applying is refused. */
  refusal: string | undefined
  /** What a test changes of the bundle that is offered. */
  twist: (offered: { bundle: string; bundle_hash: string }) => object = (offered) => offered
  /** The text of the bundle that was offered last. */
  offered = ''
  #offered: readonly PolicyFile[] = []

  status(): object {
    const inForce = this.#inForce()
    const decides = this.decides === undefined ? inForce : this.decides
    const has = decides === null ? null : pick(decides)
    return {
      in_force: inForce,
      unreadable: false,
      gateway: {
        epoch: has?.epoch ?? null,
        bundle_hash: has?.bundle_hash ?? null,
        refused: this.refused,
        at: Date.now(),
      },
      executors: [{ profile: 'connector', policy: has }],
    }
  }

  whole(): object {
    return { ...this.status(), policies: this.policies, tools: this.tools }
  }

  challenge(posted: unknown, admin: string): object {
    const { policies } = posted as { policies: readonly PolicyFile[] }
    this.#offered = policies
    const { text, bundle_hash } = bundleOf(policies, this.epoch + 1, Date.now())
    this.offered = text
    const nonce = randomBytes(32).toString('base64url')
    return { nonce, admin, ...this.twist({ bundle: text, bundle_hash }) }
  }

  apply(): object {
    if (!this.follows) this.decides = this.#inForce()
    this.policies = this.#offered
    this.epoch += 1
    this.issuedAt = Date.now()
    this.sealedBy = 'passkey:ada'
    return pick(this.#inForce() ?? { epoch: this.epoch, bundle_hash: '' })
  }

  #inForce(): InForce | null {
    if (this.policies.length === 0) return null
    const { bundle_hash } = bundleOf(this.policies, this.epoch, this.issuedAt)
    return { epoch: this.epoch, bundle_hash, issued_at: this.issuedAt, sealed_by: this.sealedBy }
  }
}

const pick = ({
  epoch,
  bundle_hash,
}: {
  readonly epoch: number
  readonly bundle_hash: string
}): { readonly epoch: number; readonly bundle_hash: string } => ({ epoch, bundle_hash })
