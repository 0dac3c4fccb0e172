import { MAX_RUNNING, runExecutor } from '@trustgw/executor'
import { parseProfile } from '@trustgw/protocol'
import { nodeRandom, type Settings, systemClock } from '@trustgw/runtime'
import { layoutOf } from '../install/layout.ts'
import { namedKey, openService, type Running } from './service.ts'

/** The execution plane: the only process that holds credentials of targets. */
export async function runExecutorProcess(settings: Settings, modulesDir: string): Promise<Running> {
  const service = await openService(settings, 'executor', layoutOf(settings).executor)
  const { layout } = service
  const profile = parseProfile(settings.executor.profile)
  if (!profile.ok) throw new TypeError('executor.profile')
  const running = await runExecutor(
    {
      profile: profile.value,
      tenants: [service.tenant],
      state_dir: layout.state,
      executor_dir: layout.executor.dir,
      connectors_dir: layout.connectors,
      modules_dir: modulesDir,
      instance: '1',
      result_max_bytes: settings.executor.result_max_bytes,
      tool_timeout_ms: settings.executor.tool_timeout,
      max_running: MAX_RUNNING,
      development_policy: settings.mode === 'development' && settings.policy.allow_by_default,
    },
    {
      link: service.link,
      trust: service.keys,
      keySet: service.book,
      resultKey: await namedKey(service, 'result', layout.executor.resultKey),
      auditKey: await namedKey(service, 'audit', layout.executor.auditKey),
      clock: systemClock,
      random: nodeRandom,
      logger: service.log,
    },
  )
  return {
    stop: async () => {
      await running.stop()
      await service.book.stop()
      await service.link.bus.drain()
    },
  }
}
