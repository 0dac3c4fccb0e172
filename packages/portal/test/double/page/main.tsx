// oxlint-disable-next-line import/no-unassigned-import -- the bundler takes the style sheet from here
import '../../../src/styles.css'
import { actionEventShape, parseJson, uiChangeShape } from '@trustgw/protocol'
import { mountPortal } from '../../../src/app/mount.tsx'
import { navigate } from '../../../src/app/router.ts'
import { httpApi } from '../../../src/ports/api.ts'
import type { LiveSource } from '../../../src/ports/live.ts'
import { browserNotifier } from '../../../src/ports/notifier.ts'
import { browserPasskeys } from '../../../src/ports/passkeys.ts'
import { workerJudge } from '../../../src/ports/policy-judge.ts'

/** Stands for the bus: the double's server-sent events. The portal itself knows no such source. */
const doubleLive: LiveSource = {
  open: (_bus, { onEvent, onChange }) =>
    new Promise((resolve, reject) => {
      const source = new EventSource('/double/events')
      const ended = new Promise<void>((done) => {
        source.addEventListener('error', () => done())
      })
      source.addEventListener('message', (message) => {
        const parsed = parseJson(String(message.data))
        const event = parsed.ok ? actionEventShape.read(parsed.value) : parsed
        if (event.ok) onEvent(event.value)
      })
      source.addEventListener('changed', (message) => {
        const parsed = parseJson(String(message.data))
        const change = parsed.ok ? uiChangeShape.read(parsed.value) : parsed
        if (change.ok) onChange(change.value.what)
      })
      source.addEventListener('open', () => resolve({ ended, close: () => source.close() }))
      source.addEventListener('error', () => {
        source.close()
        reject(new Error('the double does not answer'))
      })
    }),
}

mountPortal({
  api: httpApi(),
  live: doubleLive,
  passkeys: browserPasskeys(),
  notifier: browserNotifier(navigate),
  judge: workerJudge,
  now: () => Date.now(),
  chance: () => Math.random(),
})
