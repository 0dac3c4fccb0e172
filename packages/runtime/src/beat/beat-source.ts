import {
  BEAT_EVERY_MS,
  type BeatComponent,
  type JwsSigner,
  parseComponent,
  signBeat,
  subject,
  utf8Encode,
} from '@trustgw/protocol'
import type { Bus } from '../bus/bus.ts'
import { BusFault } from '../bus/bus.ts'
import type { Clock } from '../clock/clock.ts'

export interface BeatSourceDeps {
  readonly component: BeatComponent
  readonly instance: string
  /** The key of that component's own role. */
  readonly key: { readonly kid: string; readonly sign: JwsSigner }
  readonly bus: Bus
  readonly clock: Clock
  readonly keySetEpoch: () => number
  readonly freezeCount: () => { readonly [tenant: string]: number }
}

/** Says every half second that this plane is there and what it knows (spec/protocol.md §4 "Beat"). */
export function startBeats(deps: BeatSourceDeps): () => void {
  const component = parseComponent(deps.component)
  if (!component.ok) throw new TypeError('component')
  const to = subject('beat', { component: component.value })
  let cancel: (() => void) | undefined
  let last = 0
  const beat = (): void => {
    cancel = deps.clock.setTimer(BEAT_EVERY_MS, beat)
    const now = deps.clock.now()
    // Two within a millisecond would be one to a hearer, and a clock that was set back none.
    last = now > last || last - now > BEAT_EVERY_MS ? now : last + 1
    const token = signBeat(
      {
        v: 1,
        component: deps.component,
        instance: deps.instance,
        at: last,
        key_set_epoch: deps.keySetEpoch(),
        freeze_count: deps.freezeCount(),
      },
      deps.key,
    )
    try {
      deps.bus.publish(to, utf8Encode(token))
    } catch (error) {
      // Nobody hears a plane that is cut off, which is what its silence says.
      if (!(error instanceof BusFault)) throw error
    }
  }
  beat()
  return () => cancel?.()
}
