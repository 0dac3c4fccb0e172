import { MAX_RUNNING, runExecutor } from '@trustgw/executor'
import { parseProfile } from '@trustgw/protocol'
import { nodeRandom, type Settings, systemClock } from '@trustgw/runtime'
import { instanceName } from '../install/instances.ts'
import { layoutOf } from '../install/layout.ts'
import { filesOf, namedKey, openService, type Running } from './service.ts'

/** The execution plane: the only process that holds credentials of targets. One of `executor.instances`. */
export async function runExecutorProcess(
  settings: Settings,
  modulesDir: string,
  instance: number,
): Promise<Running> {
  const name = instanceName('executor', instance)
  const own = filesOf(layoutOf(settings).executors, instance, 'executor.instances')
  const service = await openService(settings, name, own)
  const { layout } = service
  const profile = parseProfile(settings.executor.profile)
  if (!profile.ok) throw new TypeError('executor.profile')
  const running = await runExecutor(
    {
      profile: profile.value,
      tenants: [service.tenant],
      state_dir: layout.state,
      executor_dir: layout.executor.dir,
      own_dir: own.dir,
      connectors_dir: layout.connectors,
      modules_dir: modulesDir,
      instance: own.instance,
      result_max_bytes: settings.executor.result_max_bytes,
      tool_timeout_ms: settings.executor.tool_timeout,
      max_running: MAX_RUNNING,
      approval_origin: settings.host.approval_origin || undefined,
      development_policy: settings.mode === 'development' && settings.policy.allow_by_default,
    },
    {
      link: service.link,
      trust: service.keys,
      keySet: service.book,
      resultKey: await namedKey(service, 'result', own.resultKey),
      auditKey: await namedKey(service, 'audit', own.auditKey),
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
