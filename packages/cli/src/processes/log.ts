import { startLog } from '@trustgw/log'
import { type Settings, systemClock } from '@trustgw/runtime'
import { layoutOf } from '../install/layout.ts'
import { beat, namedKey, openService, type Running } from './service.ts'

/** The stream holds an event before it is delivered, so that a pause costs nothing but time. */
const GATHER_MS = 20

/** The record plane: sequencer of the audit stream. */
export async function runLogProcess(settings: Settings): Promise<Running> {
  const service = await openService(settings, 'log', layoutOf(settings).log)
  const logKey = await namedKey(service, 'log', service.layout.log.logKey)
  const running = await startLog({
    link: service.link,
    tenants: [service.tenant],
    keys: service.keys,
    logKey,
    dir: service.layout.log.dir,
    clock: systemClock,
    logger: service.log,
    checkpointIntervalMs: settings.log.checkpoint_interval,
    gatherMs: GATHER_MS,
  })
  // A sequencer that cannot go on acknowledges nothing: it ends, and its supervisor starts it again.
  void running.faulted.then((fault) => {
    service.log.error('log_faulted', { code: fault.code })
    process.exit(1)
  })
  const stopBeats = beat(service, 'log', logKey)
  return {
    stop: async () => {
      stopBeats()
      await running.stop()
      await service.book.stop()
      await service.link.bus.drain()
    },
  }
}
