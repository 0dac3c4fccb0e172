import type { Settings } from './definition.ts'
import type { SettingsProblem } from './problem.ts'
import { isLoopbackHost } from './values.ts'

/** What cannot be meant together, and what production does not run with. */
export function contradictionsOf(settings: Settings): readonly SettingsProblem[] {
  return [...samePorts(settings), ...passkeys(settings), ...production(settings)]
}

function samePorts(settings: Settings): readonly SettingsProblem[] {
  const ports: readonly (readonly [string, number])[] = [
    ['nats.port', settings.nats.port],
    ['nats.websocket_port', settings.nats.websocket_port],
    ['gateway.listen', settings.gateway.listen.port],
    ['host.listen', settings.host.listen.port],
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

/** A browser makes no passkey when the relying party is not the page's own domain (WebAuthn). */
function passkeys(settings: Settings): readonly SettingsProblem[] {
  const { origin, rp_id: rpId } = settings.host
  if (origin === '') return [problem('host.origin', '`host.origin` must not be empty.')]
  const { hostname, protocol } = new URL(origin)
  const problems: SettingsProblem[] = []
  if (hostname !== rpId && !hostname.endsWith(`.${rpId}`)) {
    problems.push(
      problem('host.rp_id', '`host.rp_id` must be the host of `host.origin` or above it.'),
    )
  }
  if (protocol !== 'https:' && rpId !== 'localhost') {
    problems.push(problem('host.origin', '`host.origin` must be https unless it is localhost.'))
  }
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
  if (settings.nats.sync_interval !== 'always') {
    const text =
      '`nats.sync_interval` must be `always` in production: what is acknowledged is on disk.'
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
