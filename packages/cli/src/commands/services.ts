import { join } from 'node:path'
import {
  type Command,
  type Context,
  EXIT_DONE,
  EXIT_FAILED,
  flagText,
  UsageFault,
} from '../command.ts'
import { type Running, STOP_BUDGET_MS } from '../processes/service.ts'

/**
 * Runs until it is told to stop: by a signal, or by its supervisor going away. What does not come to rest
 * in time, or is told twice, ends as in a crash: another takes it up, or the next start does.
 */
async function untilStopped(start: () => Promise<Running>): Promise<number> {
  let asked = 0
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) {
      process.on(signal, () => {
        if (signal !== 'disconnect') asked += 1
        if (asked > 1) process.exit(EXIT_FAILED)
        setTimeout(() => process.exit(EXIT_FAILED), STOP_BUDGET_MS).unref()
        resolve()
      })
    }
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
  more: Partial<Command> = {},
): Command {
  return {
    name,
    text,
    usage: name,
    examples: [`trustgw ${name}`, `TRUSTGW_STATE_DIR=/var/lib/trustgw trustgw ${name}`],
    ...more,
    run: (context) => untilStopped(() => start(context)),
  }
}

/** Of which there may be several. */
const several = (name: string): Partial<Command> => ({
  usage: `${name} [--instance N]`,
  flags: {
    instance: {
      type: 'string',
      value: 'N',
      text: `which of ${name}.instances this is; default 1, the first`,
    },
  },
  examples: [`trustgw ${name}`, `trustgw ${name} --instance 2`],
})

function instanceOf(context: Context, count: number): number {
  const text = flagText(context, 'instance') ?? '1'
  const instance = /^[1-9]$/.test(text) ? Number(text) : 0
  if (instance >= 1 && instance <= count) return instance
  throw new UsageFault(`--instance is a number from 1 to ${count}, as the settings say`)
}

/** Each loads its own plane only, and other commands load none. */
export const SERVICE_COMMANDS: readonly Command[] = [
  service(
    'gateway',
    'run the control plane alone',
    async (context) => {
      const { runGatewayProcess } = await import('../processes/gateway.ts')
      const settings = await context.settings()
      return await runGatewayProcess(settings, instanceOf(context, settings.gateway.instances))
    },
    several('gateway'),
  ),
  service('host', 'run the human plane alone: portal and passkeys', async (context) => {
    const { runHostProcess } = await import('../processes/host.ts')
    return await runHostProcess(await context.settings(), {
      portalFolder: join(context.root, 'packages/portal/dist/web'),
      onEnrolled: (message) => process.send?.(message),
    })
  }),
  service(
    'executor',
    'run an executor alone',
    async (context) => {
      const { runExecutorProcess } = await import('../processes/executor.ts')
      const settings = await context.settings()
      const instance = instanceOf(context, settings.executor.instances)
      return await runExecutorProcess(settings, context.root, instance)
    },
    several('executor'),
  ),
  service('log', 'run the record plane alone', async (context) => {
    const { runLogProcess } = await import('../processes/log.ts')
    return await runLogProcess(await context.settings())
  }),
]
