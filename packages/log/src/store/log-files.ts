import { join } from 'node:path'
import type { NoteVerifier } from '@trustgw/core'
import { parseTenantId, type TenantId } from '@trustgw/protocol'
import type { PublicKeys } from '@trustgw/runtime'

/** Takes what names no known tenant; no tenant can be called so. */
export const UNATTRIBUTED = '_other'
/** A tenant's log, or the one of what names no tenant. */
export type LogName = TenantId | typeof UNATTRIBUTED

/** Where one tenant's log lies. */
export interface LogFiles {
  readonly dir: string
  /** One entry a line. */
  readonly entries: string
  /** The newest signed note. */
  readonly checkpoint: string
  /** Every signed note, one `{"note":…}` a line. */
  readonly history: string
}

export function logFiles(dir: string, name: LogName): LogFiles {
  const own = join(dir, name)
  return {
    dir: own,
    entries: join(own, 'entries.ndjson'),
    checkpoint: join(own, 'checkpoint'),
    history: join(own, 'checkpoints.ndjson'),
  }
}

export function parseLogName(text: string): LogName | undefined {
  if (text === UNATTRIBUTED) return UNATTRIBUTED
  const tenant = parseTenantId(text)
  return tenant.ok ? tenant.value : undefined
}

/** The name in checkpoints and of their keys (C2SP tlog-checkpoint). */
export function logOrigin(name: LogName): string {
  return `trustgw/${name}`
}

/** Every key of role `log` that ever might sign this log's checkpoints and was not revoked. */
export function logVerifiers(keys: PublicKeys, name: LogName): readonly NoteVerifier[] {
  const tenant = name === UNATTRIBUTED ? {} : { tenant: name }
  const find = keys.keyFor({ role: 'log', component: 'log', at: 'ever', ...tenant })
  return keys.keys.flatMap(({ kid, publicKey }) => {
    const verify = find(kid)
    return verify === undefined ? [] : [{ name: logOrigin(name), public_key: publicKey, verify }]
  })
}
