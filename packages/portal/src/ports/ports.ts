import type { Api } from './api.ts'
import type { LiveSource } from './live.ts'
import type { Notifier } from './notifier.ts'
import type { Passkeys } from './passkeys.ts'
import type { PolicyJudge } from './policy-judge.ts'

/** Everything outside the page that the portal uses; the composition root chooses. */
export interface Ports {
  readonly api: Api
  readonly live: LiveSource
  readonly passkeys: Passkeys
  readonly notifier: Notifier
  /** A new judge of policies, which lives as long as the page that asks it. */
  readonly judge: () => PolicyJudge
  /** Milliseconds of this device's clock. */
  readonly now: () => number
  /** Uniform in [0, 1). */
  readonly chance: () => number
}
