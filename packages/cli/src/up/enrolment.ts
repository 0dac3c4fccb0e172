import { rm } from 'node:fs/promises'
import { type Pin, pinFirst, readPins } from '@trustgw/executor'
import type { EnrolledMessage } from '@trustgw/host'
import { createEnrolment } from '@trustgw/host/enrolment'
import { nodeRandom, type Settings } from '@trustgw/runtime'
import { tenantOf } from '../install/install.ts'
import { layoutOf } from '../install/layout.ts'

const FIRST_PERSON = 'admin'
const FIRST_ROLES: readonly string[] = ['admin', 'approver', 'finance']

/** The one-time link for the first approver; undefined once anybody is pinned at the executor. */
export async function firstEnrolment(
  settings: Settings,
): Promise<{ link: string; expires_at: number } | undefined> {
  const layout = layoutOf(settings)
  const pins = await readPins(layout.executor.pins)
  if (!pins.ok || pins.value.pins.length > 0 || pins.value.revoked.length > 0) return undefined
  // Links of earlier starts end here: the newest one is the only one.
  await rm(layout.host.enrolments, { recursive: true, force: true })
  const made = await createEnrolment({
    folder: layout.host.enrolments,
    tenant: tenantOf(settings),
    person: FIRST_PERSON,
    roles: FIRST_ROLES,
    now: Date.now(),
    random: nodeRandom,
  })
  return { link: `${settings.host.origin}/enrol#${made.token}`, expires_at: made.expiresAt }
}

/** Pins the first approver while the executor's file is empty (spec/protocol.md §4, trust roots). */
export async function pinEnrolled(
  settings: Settings,
  message: EnrolledMessage,
): Promise<
  | { readonly ok: true; readonly fingerprint: string }
  | { readonly ok: false; readonly reason: string }
> {
  const pin: Pin = {
    tenant: message.tenant,
    person: FIRST_PERSON,
    // The supervisor's own words: the host's message could name others.
    roles: FIRST_ROLES,
    credential_id: message.credential_id,
    public_key: message.public_key,
    rp_id: message.rp_id,
    origins: message.origins,
  }
  const pinned = await pinFirst(layoutOf(settings).executor.pins, pin)
  return pinned.ok ? { ok: true, fingerprint: pinned.value } : { ok: false, reason: pinned.reason }
}
