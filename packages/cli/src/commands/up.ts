import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { EnrolledMessage } from '@trustgw/host'
import type { Settings } from '@trustgw/runtime'
import { type Command, type Context, EXIT_DONE, EXIT_FAILED } from '../command.ts'
import { AgentAdmin } from '../install/agents.ts'
import { outdatedIdentities } from '../install/identities.ts'
import {
  assertIdentities,
  assertInstalled,
  install,
  missingFiles,
  tenantOf,
} from '../install/install.ts'
import { gatewayListen, instancesUpTo } from '../install/instances.ts'
import { layoutOf } from '../install/layout.ts'
import { visible } from '../terminal.ts'
import { ChildFault } from '../up/child.ts'
import { firstEnrolment, pinEnrolled } from '../up/enrolment.ts'
import { isolationInForce } from '../up/isolation.ts'
import { type PolicyOutcome, PolicyStartFault } from '../up/policy-follower.ts'
import { portMessage, takenPorts } from '../up/ports.ts'
import { lockState } from '../up/state-lock.ts'
import { printSummary } from '../up/summary.ts'
import { Supervisor } from '../up/supervisor.ts'

const FIRST_AGENT = 'first-agent'
const AGENT_KNOWN_MAX_MS = 3_000
const AGENT_KNOWN_PAUSE_MS = 25

/** Starts the whole system under one supervisor. */
export const UP: Command = {
  name: 'up',
  text: 'start nats-server and every plane under one supervisor',
  usage: 'up [--json]',
  examples: [
    'trustgw up',
    'TRUSTGW_MODE=development trustgw up',
    'TRUSTGW_HOST_LISTEN=127.0.0.1:8081 trustgw up',
  ],
  run: up,
}

async function up(context: Context): Promise<number> {
  const began = Date.now()
  const { terminal } = context
  const settings = await context.settings()
  if (settings.mode === 'development')
    await mkdir(settings.state_dir, { recursive: true, mode: 0o700 })
  else await assertInstalled(settings)
  const lock = await lockState(settings.state_dir)
  if (!lock.ok) {
    terminal.err(
      `trustgw up: process ${lock.pid} already runs Trust Gateway on ${settings.state_dir}: stop it, or choose another folder with TRUSTGW_STATE_DIR`,
    )
    return EXIT_FAILED
  }
  try {
    return await runLocked(settings, began, context)
  } finally {
    await lock.release()
  }
}

async function runLocked(settings: Settings, began: number, context: Context): Promise<number> {
  const { terminal } = context
  const shopPort = settings.mode === 'development' ? settings.example.shop_port : undefined
  const taken = await takenPorts(settings, shopPort)
  if (taken.length > 0) {
    for (const wish of taken) terminal.err(`trustgw up: ${portMessage(wish)}`)
    return EXIT_FAILED
  }
  await prepareState(settings, context)
  const supervisor = new Supervisor({
    settings,
    script: context.invocation.script,
    cwd: context.invocation.cwd,
    env: serviceEnvironment(context),
    searchPath: context.invocation.env['PATH'],
    cacheDir: join(context.root, '.cache/nats'),
    shop:
      shopPort === undefined
        ? undefined
        : { script: join(context.root, 'examples/shop/dist/src/main.js'), port: shopPort },
    isolation: await isolationInForce(settings),
    progress: (step) => terminal.err(terminal.style.dim(`  ${step} …`)),
    onPolicy: (outcome) => tellPolicy(outcome, context),
    onMessage: (from, message) => {
      if (from === 'host' && isEnrolled(message)) void pinned(settings, message, context)
    },
  })
  const stopped = untilSignal()
  try {
    if ((await Promise.race([supervisor.start(), stopped])) === 'asked to stop') {
      terminal.err(terminal.style.dim('  stopping before everything was started …'))
      await supervisor.stop()
      return EXIT_DONE
    }
  } catch (error) {
    return startFailed(error, context)
  }
  await announce(settings, context, { began, shop: shopPort !== undefined })
  await stopped
  terminal.err(terminal.style.dim('  stopping: what runs ends first …'))
  await supervisor.stop()
  terminal.err(terminal.style.dim('  stopped; everything is kept.'))
  return EXIT_DONE
}

/** Development makes what is missing; production says what is missing and ends. */
async function prepareState(settings: Settings, context: Context): Promise<void> {
  if (settings.mode !== 'development') {
    await assertInstalled(settings)
    return assertIdentities(settings)
  }
  const isWhole = (await missingFiles(settings)).length === 0
  if (isWhole && outdatedIdentities(layoutOf(settings), settings.executor.profile).length === 0)
    return
  context.terminal.err(context.terminal.style.dim('  making keys and identities (first start) …'))
  await install(settings)
}

async function announce(
  settings: Settings,
  context: Context,
  start: { readonly began: number; readonly shop: boolean },
): Promise<void> {
  const apiKey = settings.mode === 'development' ? await firstAgent(settings) : undefined
  const enrolment = await firstEnrolment(settings)
  const gatewayUrl = settings.gateway.public_url
  const seconds = (Date.now() - start.began) / 1000
  if (!context.json) {
    printSummary(
      {
        settings,
        gatewayUrls: gatewayUrls(settings),
        enrolment,
        apiKey,
        shop: start.shop,
        seconds,
      },
      context.terminal,
    )
    return
  }
  context.terminal.out(
    JSON.stringify({
      ready: true,
      mode: settings.mode,
      portal: settings.host.origin,
      enrolment_link: enrolment?.link ?? null,
      mcp: `${gatewayUrl}/v1/mcp`,
      gateway: gatewayUrl,
      gateways: gatewayUrls(settings),
      api_key: apiKey ?? null,
      state_dir: settings.state_dir,
      seconds,
    }),
  )
}

/** Every gateway by its own address; the first by the one that clients use. */
function gatewayUrls(settings: Settings): readonly string[] {
  return instancesUpTo(settings.gateway.instances).map((instance) => {
    const { host, port } = gatewayListen(settings, instance)
    return instance === 1 ? settings.gateway.public_url : `http://${host}:${port}`
  })
}

/** A key for the first agent, once: its secret cannot be shown again. */
async function firstAgent(settings: Settings): Promise<string | undefined> {
  const admin = await AgentAdmin.open(settings, tenantOf(settings))
  try {
    if ((await admin.list()).length > 0) return undefined
    const made = await admin.addWithKey({
      agent: FIRST_AGENT,
      title: 'First agent',
      on_behalf_of: null,
    })
    await untilKnown(settings, made.api_key)
    return made.api_key
  } finally {
    await admin.close()
  }
}

/** The key is shown once it works: the gateway hears of an agent a moment after it is stored. */
async function untilKnown(settings: Settings, apiKey: string): Promise<void> {
  const { host, port } = settings.gateway.listen
  const headers = { authorization: `Bearer ${apiKey}` }
  const deadline = Date.now() + AGENT_KNOWN_MAX_MS
  while (Date.now() < deadline) {
    const signal = AbortSignal.timeout(AGENT_KNOWN_MAX_MS)
    const answer = await fetch(`http://${host}:${port}/v1/tools/list`, { headers, signal }).catch(
      () => undefined,
    )
    await answer?.body?.cancel()
    if (answer?.status === 200) return
    await new Promise((resolve) => setTimeout(resolve, AGENT_KNOWN_PAUSE_MS))
  }
}

async function pinned(
  settings: Settings,
  message: EnrolledMessage,
  context: Context,
): Promise<void> {
  const { out, err, style } = context.terminal
  const result = await pinEnrolled(settings, message)
  if (!result.ok) {
    err(
      `trustgw up: ${message.person} enrolled and is not pinned (${result.reason}): pin with "trustgw pins add"`,
    )
    return
  }
  if (context.json) {
    out(JSON.stringify({ pinned: { person: message.person, fingerprint: result.fingerprint } }))
    return
  }
  out(`${style.good('Passkey enrolled and pinned at the executor')} for ${message.person}`)
  out(`  fingerprint ${style.bold(result.fingerprint)}`)
  out(style.dim('  Compare it with what the portal shows.'))
}

function startFailed(error: unknown, context: Context): number {
  const { err } = context.terminal
  if (error instanceof PolicyStartFault) {
    err(`trustgw up: ${error.message}`)
    return EXIT_FAILED
  }
  if (!(error instanceof ChildFault)) throw error
  err(`trustgw up: ${error.message}. Its last lines:`)
  for (const line of error.lastLines) err(`  ${line}`)
  return EXIT_FAILED
}

/** A change of policy, as the terminal that started the system sees it. */
function tellPolicy(outcome: PolicyOutcome, { terminal }: Context): void {
  const { err, style } = terminal
  switch (outcome.kind) {
    case 'in_force':
      return
    case 'sealed':
      err(style.dim(`  policy epoch ${outcome.epoch} is sealed …`))
      return
    case 'differs':
      err(
        style.warn(
          `  policy epoch ${outcome.epoch} stays in force and the files differ from it: "trustgw policy show --text" prints it, "trustgw policy apply" puts the files in force`,
        ),
      )
      return
    case 'refused':
      err(style.bad(`  the policy files are refused; ${staying(outcome.epoch)}:`))
      for (const line of outcome.lines) err(`    ${visible(line)}`)
  }
}

const staying = (epoch: number | null): string =>
  epoch === null ? 'no policy is in force' : `epoch ${epoch} stays in force`

/** No more than services need: their settings, and where programs are. */
function serviceEnvironment(context: Context): Record<string, string> {
  const wanted =
    /^(TRUSTGW_(?!API_KEY).*|NATS_SERVER|PATH|HOME|LANG|LC_.*|TZ|TMPDIR|NODE_EXTRA_CA_CERTS)$/
  const entries = Object.entries(context.invocation.env).filter(([name]) => wanted.test(name))
  return Object.fromEntries(
    entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

function untilSignal(): Promise<'asked to stop'> {
  return new Promise((resolve) => {
    let signals = 0
    const onSignal = (): void => {
      signals += 1
      resolve('asked to stop')
      // Who asks three times means it: what is left is taken up at the next start.
      if (signals >= 3) process.exit(1)
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
    process.on('SIGHUP', onSignal)
  })
}

function isEnrolled(message: unknown): message is EnrolledMessage {
  return (
    typeof message === 'object' &&
    message !== null &&
    'kind' in message &&
    message.kind === 'enrolled' &&
    'credential_id' in message &&
    'person' in message
  )
}
