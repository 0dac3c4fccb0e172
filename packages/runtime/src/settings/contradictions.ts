import type { Settings } from './definition.ts'
import type { SettingsProblem } from './problem.ts'
import { isLoopbackHost } from './values.ts'

/** What cannot be meant together, and what production does not run with. */
export function contradictionsOf(settings: Settings): readonly SettingsProblem[] {
  return [
    ...samePorts(settings),
    ...nodes(settings),
    ...passkeys(settings),
    ...chats(settings),
    ...production(settings),
  ]
}

function samePorts(settings: Settings): readonly SettingsProblem[] {
  const { nats, gateway, host } = settings
  const ports: readonly (readonly [string, number])[] = [
    ...following('nats.port', nats.port, nats.nodes),
    ...following('nats.websocket_port', nats.websocket_port, nats.nodes),
    ...(nats.nodes > 1 ? following('nats.cluster_port', nats.cluster_port, nats.nodes) : []),
    ...following('gateway.listen', gateway.listen.port, gateway.instances),
    ['host.listen', host.listen.port],
  ]
  const taken = new Map<number, string>()
  const problems: SettingsProblem[] = []
  for (const [key, port] of ports) {
    const other = taken.get(port)
    if (port !== 0 && other !== undefined) {
      problems.push(problem(key, `\`${key}\` and \`${other}\` use the same port ${port}.`))
    }
    taken.set(port, key)
  }
  return problems
}

/** The port of the first of several, and those that follow for the others. */
function following(key: string, first: number, count: number): readonly [string, number][] {
  return Array.from({ length: count }, (_, index) => [key, first === 0 ? 0 : first + index])
}

/** Two copies are no majority: with one of them gone the other could not go on. */
function nodes({ nats }: Settings): readonly SettingsProblem[] {
  return nats.nodes === 2 ? [problem('nats.nodes', '`nats.nodes` must be 1 or 3.')] : []
}

/** A browser makes no passkey when the relying party is not the page's own domain (WebAuthn). */
function passkeys(settings: Settings): readonly SettingsProblem[] {
  const { origin, rp_id: rpId } = settings.host
  if (origin === '') return [problem('host.origin', '`host.origin` must not be empty.')]
  const { hostname, protocol } = new URL(origin)
  const problems: SettingsProblem[] = []
  if (!covers(rpId, hostname)) {
    problems.push(
      problem('host.rp_id', '`host.rp_id` must be the host of `host.origin` or above it.'),
    )
  }
  if (protocol !== 'https:' && !isLocalName(hostname)) {
    problems.push(problem('host.origin', '`host.origin` must be https unless it is localhost.'))
  }
  return [...problems, ...approvalPage(settings)]
}

/** Approval passkeys are made on the portal and used on the page, so their domain is above both. */
function approvalPage({ host }: Settings): readonly SettingsProblem[] {
  const rpId = host.approval_rp_id === '' ? host.rp_id : host.approval_rp_id
  const own = host.approval_rp_id === '' ? [] : [host.origin]
  const problems = [...own, host.approval_origin]
    .filter((origin) => origin !== '' && !covers(rpId, new URL(origin).hostname))
    .map(() =>
      problem(
        'host.approval_rp_id',
        '`host.approval_rp_id` must be above `host.origin` and `host.approval_origin`.',
      ),
    )
    .slice(0, 1)
  if (host.approval_origin === '') return problems
  const { protocol } = new URL(host.approval_origin)
  if (host.approval_origin === host.origin || protocol !== new URL(host.origin).protocol) {
    const text =
      '`host.approval_origin` must be another origin than `host.origin`, by the same scheme.'
    problems.push(problem('host.approval_origin', text))
  }
  return problems
}

/** Browsers resolve these to this machine and count them as secure (Secure Contexts §3.1). */
const isLocalName = (hostname: string): boolean =>
  hostname === 'localhost' || hostname.endsWith('.localhost')

const covers = (rpId: string, hostname: string): boolean =>
  hostname === rpId || hostname.endsWith(`.${rpId}`)

/** A token goes nowhere in the clear, and a chat without its secret would be anybody's. */
function chats({ telegram, slack }: Settings): readonly SettingsProblem[] {
  const problems: SettingsProblem[] = []
  for (const [key, url] of [
    ['telegram.api_url', telegram.api_url],
    ['slack.api_url', slack.api_url],
  ] as const) {
    const { protocol, hostname } = new URL(url)
    if (protocol !== 'https:' && !isLoopbackHost(hostname))
      problems.push(problem(key, `\`${key}\` must be https unless it is loopback.`))
  }
  if (telegram.token_file === '' && telegram.webhook_secret_file !== '')
    problems.push(
      problem('telegram.webhook_secret_file', 'Without `telegram.token_file` it means nothing.'),
    )
  if ((slack.token_file === '') !== (slack.signing_secret_file === ''))
    problems.push(
      problem(
        'slack.signing_secret_file',
        '`slack.token_file` and `slack.signing_secret_file` go together.',
      ),
    )
  return problems
}

function production(settings: Settings): readonly SettingsProblem[] {
  if (settings.mode !== 'production') return []
  const problems: SettingsProblem[] = []
  const url = new URL(settings.gateway.public_url)
  if (url.protocol !== 'https:' && !isLoopbackHost(url.hostname)) {
    const text = '`gateway.public_url` must be https in production unless it is loopback.'
    problems.push(problem('gateway.public_url', text))
  }
  if (settings.nats.sync_interval !== 'always' && settings.nats.nodes === 1) {
    const text =
      '`nats.sync_interval` must be `always` in production unless `nats.nodes` is 3: what is acknowledged is on disk, or on three servers.'
    problems.push(problem('nats.sync_interval', text))
  }
  for (const origin of settings.gateway.allowed_origins) {
    const { protocol, hostname } = new URL(origin)
    if (protocol !== 'https:' && !isLoopbackHost(hostname)) {
      const text = '`gateway.allowed_origins` holds an http origin: https in production.'
      problems.push(problem('gateway.allowed_origins', text))
    }
  }
  return problems
}

function problem(where: string, message: string): SettingsProblem {
  return { reason: 'contradiction', where, message }
}
