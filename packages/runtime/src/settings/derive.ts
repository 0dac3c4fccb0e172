import type { Settings } from './definition.ts'
import type { Listen } from './kind.ts'

/** Fills in what follows from other settings, and makes paths absolute. */
export function derive(
  settings: Settings,
  resolvePath: (path: string, base?: string) => string,
): Settings {
  const stateDir = resolvePath(settings.state_dir)
  const { gateway } = settings
  const publicUrl =
    gateway.public_url === '' ? `http://${hostOf(gateway.listen)}` : gateway.public_url
  const hosts =
    gateway.allowed_hosts.length > 0
      ? gateway.allowed_hosts
      : [...new Set([new URL(publicUrl).host, hostOf(gateway.listen), localhostOf(gateway.listen)])]
  return {
    ...settings,
    state_dir: stateDir,
    gateway: { ...gateway, public_url: publicUrl, allowed_hosts: hosts },
    policy: {
      ...settings.policy,
      file: resolvePath(settings.policy.file, stateDir),
      layers_dir: resolvePath(settings.policy.layers_dir, stateDir),
    },
    executor: {
      ...settings.executor,
      connectors_dir: resolvePath(settings.executor.connectors_dir, stateDir),
    },
  }
}

function hostOf(listen: Listen): string {
  return listen.host.includes(':')
    ? `[${listen.host}]:${listen.port}`
    : `${listen.host}:${listen.port}`
}

function localhostOf(listen: Listen): string {
  return `localhost:${listen.port}`
}
