import type { TenantId } from '@trustgw/protocol'
import type { Parties } from './ceremony/passkeys.ts'
import type { ChannelSettings } from './channels/channels.ts'

export interface HostSettings {
  readonly tenant: TenantId
  /** Where the listener binds; loopback unless told otherwise. Port 0: any free one. */
  readonly listen: { readonly hostname: string; readonly port: number }
  /** The one origin of portal and API, as browsers write it: `http://localhost:8080`. */
  readonly origin: string
  /** The RP ID of all passkeys: the origin's host name or a parent domain of it. */
  readonly rpId: string
  /** Where approvals are signed, if not in the portal: another origin of the same listener. */
  readonly approvalOrigin?: string | undefined
  /** The RP ID of approval passkeys, above both origins; absent: {@link rpId}. */
  readonly approvalRpId?: string | undefined
  /** The portal's live connection: `ws://localhost:9222`. */
  readonly busUrl: string
  /** The folder with the built portal. */
  readonly portalFolder: string
  /** Open enrolments, one file each. */
  readonly enrolmentsFolder: string
  /** The supervisor's public status file; absent counts as empty. */
  readonly installationFile: string
  readonly version: string
  /** Chats besides the portal; absent: none. */
  readonly channels?: ChannelSettings
}

/** The settings, checked and with what follows from them. */
export interface CheckedSettings extends HostSettings {
  /** What the Host header must say. */
  readonly authority: string
  readonly secureCookies: boolean
  readonly parties: Parties
  readonly approvalPage: ApprovalPlace | undefined
}

/** The page of approvals, on an origin of its own. */
export interface ApprovalPlace {
  readonly origin: string
  /** What the Host header must say. */
  readonly authority: string
}

export class SettingsFault extends Error {
  readonly code = 'host_settings'
}

/** Refuses contradictions by name: fault `host_settings`. */
export function checkSettings(settings: HostSettings): CheckedSettings {
  const origin = readOrigin('host.origin', settings.origin)
  const bus = readUrl('bus.websocket_url', settings.busUrl, ['ws:', 'wss:'])
  if (/[\s;,'"]/.test(settings.busUrl) || bus.search !== '' || bus.hash !== '') {
    throw new SettingsFault('bus.websocket_url is not a plain WebSocket address')
  }
  const { rpId, approvalRpId = rpId } = settings
  covered('host.rp_id', rpId, 'host.origin', origin)
  covered('host.approval_rp_id', approvalRpId, 'host.origin', origin)
  const secureCookies = origin.protocol === 'https:'
  const isLocal = origin.hostname === 'localhost' || origin.hostname.endsWith('.localhost')
  if (!secureCookies && !isLocal) {
    throw new SettingsFault(
      'host.origin must be https, or http on localhost: no passkeys elsewhere',
    )
  }
  const approvalPage = approvalPlace(settings, origin, approvalRpId)
  const portal = { origin: settings.origin, rpId: approvalRpId }
  const parties = {
    login: { origin: settings.origin, rpId },
    portal,
    approval: approvalPage === undefined ? portal : { ...portal, origin: approvalPage.origin },
  }
  return { ...settings, authority: origin.host, secureCookies, parties, approvalPage }
}

function approvalPlace(
  { approvalOrigin }: HostSettings,
  portal: URL,
  rpId: string,
): ApprovalPlace | undefined {
  if (approvalOrigin === undefined) return undefined
  const { origin, host, protocol, hostname } = readOrigin('host.approval_origin', approvalOrigin)
  covered('host.approval_rp_id', rpId, 'host.approval_origin', { hostname })
  if (origin === portal.origin || protocol !== portal.protocol) {
    throw new SettingsFault(
      'host.approval_origin is another origin than host.origin, by the same scheme',
    )
  }
  return { origin, authority: host }
}

function covered(key: string, rpId: string, of: string, { hostname }: Pick<URL, 'hostname'>): void {
  if (hostname === rpId || hostname.endsWith(`.${rpId}`)) return
  throw new SettingsFault(`${key} does not cover the host of ${of}`)
}

function readOrigin(name: string, text: string): URL {
  const url = readUrl(name, text, ['http:', 'https:'])
  if (url.origin === text) return url
  throw new SettingsFault(`${name} is not an origin as a browser writes it`)
}

function readUrl(name: string, text: string, protocols: readonly string[]): URL {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new SettingsFault(`${name} is not an address`)
  }
  if (!protocols.includes(url.protocol)) {
    throw new SettingsFault(`${name} must begin with ${protocols.join(' or ')}`)
  }
  return url
}
