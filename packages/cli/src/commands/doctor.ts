import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { findingText } from '@trustgw/core'
import { readPins } from '@trustgw/executor'
import { findNatsServer, type Settings } from '@trustgw/runtime'
import { type Command, type Context, EXIT_DONE, EXIT_FAILED } from '../command.ts'
import { isOfDevelopment, missingFiles } from '../install/install.ts'
import { layoutOf } from '../install/layout.ts'
import {
  isLenient,
  PolicyFilesFault,
  policyFindings,
  readPolicyFiles,
} from '../policy/policy-files.ts'
import type { Style } from '../terminal.ts'
import { isolationInForce, KEY_FILES_WALL, keyFolders } from '../up/isolation.ts'
import { isFree, portMessage, takenPorts } from '../up/ports.ts'
import type { Check, Grade } from './doctor-check.ts'
import { keyChecks } from './doctor-keys.ts'

const PROBE_TIMEOUT_MS = 1_500

/** Says what is installed, which isolation is really in force, what is misconfigured, how to mend it. */
export const DOCTOR: Command = {
  name: 'doctor',
  text: 'check this installation and say how to mend it',
  usage: 'doctor',
  examples: ['trustgw doctor', 'trustgw doctor --json'],
  run: async (context) => {
    const settings = await context.settings()
    const checks = [
      nodeCheck(),
      natsCheck(settings, context),
      await stateCheck(settings),
      ...(await modeChecks(settings)),
      await portalCheck(context),
      await approverCheck(settings),
      await policyCheck(settings),
      ...(await keyChecks(settings)),
      ...(await runningChecks(settings)),
      ...(await isolationChecks(settings)),
    ]
    report(checks, context)
    return checks.some((check) => check.grade === 'fail') ? EXIT_FAILED : EXIT_DONE
  },
}

function nodeCheck(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const good = major > 20 || (major === 20 && minor >= 19)
  return good
    ? { name: 'Node', grade: 'ok', detail: process.versions.node }
    : {
        name: 'Node',
        grade: 'fail',
        detail: process.versions.node,
        remedy: 'install Node 20.19 or later',
      }
}

function natsCheck(settings: Settings, context: Context): Check {
  const searchPath = context.invocation.env['PATH']
  try {
    const found = findNatsServer({
      ...(settings.nats.server_bin === '' ? {} : { named: settings.nats.server_bin }),
      ...(searchPath === undefined ? {} : { searchPath }),
      cacheDir: join(context.root, '.cache/nats'),
    })
    return { name: 'nats-server', grade: 'ok', detail: `${found.version} at ${found.path}` }
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    return {
      name: 'nats-server',
      grade: 'fail',
      detail,
      remedy:
        'npm start fetches it where apt can; else install it with your package manager or set NATS_SERVER',
    }
  }
}

async function stateCheck(settings: Settings): Promise<Check> {
  const { state } = layoutOf(settings)
  const missing = await missingFiles(settings)
  if (missing.length === 0) return { name: 'State', grade: 'ok', detail: state }
  const [first = ''] = missing
  return {
    name: 'State',
    grade: settings.mode === 'development' ? 'warn' : 'fail',
    detail: `${missing.length} files are missing, ${first} among them`,
    remedy: settings.mode === 'development' ? 'npm start makes them' : 'trustgw init makes them',
  }
}

async function modeChecks(settings: Settings): Promise<readonly Check[]> {
  if (settings.mode === 'development') {
    return [
      {
        name: 'Mode',
        grade: 'note',
        detail: 'development: keys are made at first start, the example shop runs beside it',
      },
    ]
  }
  if (await isOfDevelopment(settings)) {
    const { developmentMark } = layoutOf(settings)
    return [
      {
        name: 'Mode',
        grade: 'fail',
        detail: `production, and development mode made the keys here (${developmentMark}): it does not run with them`,
        remedy: 'trustgw init with another TRUSTGW_STATE_DIR makes keys for production',
      },
    ]
  }
  return [{ name: 'Mode', grade: 'ok', detail: 'production' }]
}

async function portalCheck(context: Context): Promise<Check> {
  const file = join(context.root, 'packages/portal/dist/web/index.html')
  try {
    await stat(file)
    return { name: 'Portal', grade: 'ok', detail: 'built' }
  } catch {
    return { name: 'Portal', grade: 'fail', detail: 'not built', remedy: 'npm start builds it' }
  }
}

async function approverCheck(settings: Settings): Promise<Check> {
  const file = layoutOf(settings).executor.pins
  const pins = await readPins(file)
  if (!pins.ok)
    return {
      name: 'Approvers',
      grade: 'fail',
      detail: `${file}: ${pins.reason}`,
      remedy: 'restore the file, mode 600',
    }
  return pins.value.pins.length === 0
    ? {
        name: 'Approvers',
        grade: 'warn',
        detail: 'nobody is pinned: what needs a passkey cannot run',
        remedy: 'enrol by the link that trustgw up prints',
      }
    : { name: 'Approvers', grade: 'ok', detail: `${pins.value.pins.length} pinned` }
}

async function policyCheck(settings: Settings): Promise<Check> {
  const name = 'Policy'
  try {
    const files = await readPolicyFiles(settings)
    const [first] = policyFindings(files, isLenient(settings))
    if (first === undefined) return { name, grade: 'ok', detail: `${files.length} files load` }
    const remedy = 'trustgw policy check says everything that is wrong'
    return { name, grade: 'fail', detail: findingText(first), remedy }
  } catch (error) {
    if (!(error instanceof PolicyFilesFault)) throw error
    const remedy = settings.mode === 'development' ? 'npm start makes it' : 'trustgw init makes it'
    const grade = settings.mode === 'development' ? 'warn' : 'fail'
    return { name, grade, detail: error.message, remedy }
  }
}

async function runningChecks(settings: Settings): Promise<readonly Check[]> {
  const { gateway, host, nats } = settings
  const up =
    (await answers(`${gateway.public_url}/health`)) &&
    (await answers(`http://${host.listen.host}:${host.listen.port}/health`))
  if (up) {
    const file = layoutOf(settings).installation
    return [{ name: 'Running', grade: 'ok', detail: await processLine(file) }]
  }
  const taken = await takenPorts(
    settings,
    settings.mode === 'development' ? settings.example.shop_port : undefined,
  )
  const chrome =
    !(await isFree('127.0.0.1', nats.websocket_port)) && (await isChrome(nats.websocket_port))
  const checks: Check[] = taken.map((wish) => ({
    name: 'Port',
    grade: 'fail',
    detail: portMessage(wish),
    ...(chrome && wish.port === nats.websocket_port
      ? { remedy: 'a Chrome with remote debugging has it: end it or choose another port' }
      : {}),
  }))
  return checks.length > 0
    ? checks
    : [{ name: 'Running', grade: 'note', detail: 'not running; all ports are free' }]
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

async function isChrome(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/json/version`, {
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
    })
    return (await response.text()).includes('Browser')
  } catch {
    return false
  }
}

async function processLine(file: string): Promise<string> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'))
    const processes =
      typeof value === 'object' &&
      value !== null &&
      'processes' in value &&
      Array.isArray(value.processes)
        ? value.processes
        : []
    const parts = processes.flatMap((one: unknown) =>
      typeof one === 'object' && one !== null && 'name' in one && 'state' in one
        ? [`${String(one.name)} ${String(one.state)}`]
        : [],
    )
    return parts.join(', ')
  } catch {
    return 'gateway and host answer'
  }
}

async function isolationChecks(settings: Settings): Promise<readonly Check[]> {
  const walls = await isolationInForce(settings)
  const { open } = await keyFolders(settings)
  return walls.map((wall) => {
    const name = `Wall: ${wall.name}`
    if (wall.name === KEY_FILES_WALL && open.length > 0)
      return { name, grade: 'fail', detail: wall.detail, remedy: `chmod 700 ${open.join(' ')}` }
    return { name, grade: wall.in_force ? 'ok' : 'note', detail: wall.detail }
  })
}

function report(checks: readonly Check[], context: Context): void {
  const { out, style } = context.terminal
  if (context.json) {
    out(JSON.stringify({ checks }))
    return
  }
  for (const check of checks) {
    out(`${mark(check.grade, style)} ${style.bold(check.name)}  ${check.detail}`)
    if (check.remedy !== undefined) out(`     ${style.dim(`→ ${check.remedy}`)}`)
  }
}

function mark(grade: Grade, style: Style): string {
  if (grade === 'ok') return style.good(' ok ')
  if (grade === 'fail') return style.bad('FAIL')
  return grade === 'warn' ? style.warn('warn') : style.dim('note')
}
