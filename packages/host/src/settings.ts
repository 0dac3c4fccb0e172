import type { TenantId } from '@trustgw/protocol'
import type { ChannelSettings } from './channels/channels.ts'

export interface HostSettings {
  readonly tenant: TenantId
  /** Where the listener binds; loopback unless told otherwise. Port 0: any free one. */
  readonly listen: { readonly hostname: string; readonly port: number }
  /** The one origin of portal and API, as browsers write it: `http://localhost:8080`. */
  readonly origin: string
  /** The RP ID of all passkeys: the origin's host name or a parent domain of it. */
  readonly rpId: string
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
}

export class SettingsFault extends Error {
  readonly code = 'host_settings'
}

/** Refuses contradictions by name: fault `host_settings`. */
export function checkSettings(settings: HostSettings): CheckedSettings {
  const origin = readUrl('host.origin', settings.origin, ['http:', 'https:'])
  if (origin.origin !== settings.origin) {
    throw new SettingsFault('host.origin is not an origin as a browser writes it')
  }
  const bus = readUrl('bus.websocket_url', settings.busUrl, ['ws:', 'wss:'])
  if (/[\s;,'"]/.test(settings.busUrl) || bus.search !== '' || bus.hash !== '') {
    throw new SettingsFault('bus.websocket_url is not a plain WebSocket address')
  }
  const under = origin.hostname === settings.rpId || origin.hostname.endsWith(`.${settings.rpId}`)
  if (!under) throw new SettingsFault('host.rp_id does not cover the host of host.origin')
  const secureCookies = origin.protocol === 'https:'
  if (!secureCookies && origin.hostname !== 'localhost') {
    throw new SettingsFault(
      'host.origin must be https, or http on localhost: no passkeys elsewhere',
    )
  }
  return { ...settings, authority: origin.host, secureCookies }
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
