// oxlint-disable-next-line import/no-unassigned-import -- the bundler takes the style sheet from here
import './styles.css'
import { mountPortal } from './app/mount.tsx'
import { navigate } from './app/router.ts'
import { httpApi } from './ports/api.ts'
import { natsLive } from './ports/nats-live.ts'
import { browserNotifier } from './ports/notifier.ts'
import { browserPasskeys } from './ports/passkeys.ts'
import { workerJudge } from './ports/policy-judge.ts'

mountPortal({
  api: httpApi(),
  live: natsLive(),
  passkeys: browserPasskeys(),
  notifier: browserNotifier(navigate),
  judge: workerJudge,
  now: () => Date.now(),
  chance: () => Math.random(),
})
