import { join } from 'node:path'
import { type Command, type Context, EXIT_DONE } from '../command.ts'
import { runExecutorProcess } from '../processes/executor.ts'
import { runGatewayProcess } from '../processes/gateway.ts'
import { runHostProcess } from '../processes/host.ts'
import { runLogProcess } from '../processes/log.ts'
import type { Running } from '../processes/service.ts'

/** Runs until it is told to stop: by a signal, or by its supervisor going away. */
async function untilStopped(start: () => Promise<Running>): Promise<number> {
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const)
      process.once(signal, () => resolve())
  })
  const running = await start()
  if (running.hear !== undefined) process.on('message', running.hear)
  process.send?.({ kind: 'ready' })
  await stopped
  await running.stop()
  if (process.connected) process.disconnect()
  return EXIT_DONE
}

function service(
  name: string,
  text: string,
  start: (context: Context) => Promise<Running>,
): Command {
  return {
    name,
    text,
    usage: name,
    examples: [`trustgw ${name}`, `TRUSTGW_STATE_DIR=/var/lib/trustgw trustgw ${name}`],
    run: (context) => untilStopped(() => start(context)),
  }
}

export const SERVICE_COMMANDS: readonly Command[] = [
  service('gateway', 'run the control plane alone', async (context) =>
    runGatewayProcess(await context.settings()),
  ),
  service('host', 'run the human plane alone: portal and passkeys', async (context) =>
    runHostProcess(await context.settings(), {
      portalFolder: join(context.root, 'packages/portal/dist/web'),
      onEnrolled: (message) => process.send?.(message),
    }),
  ),
  service('executor', 'run an executor alone', async (context) =>
    runExecutorProcess(await context.settings(), context.root),
  ),
  service('log', 'run the record plane alone', async (context) =>
    runLogProcess(await context.settings()),
  ),
]
