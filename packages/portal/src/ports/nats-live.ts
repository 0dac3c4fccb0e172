import { type NatsConnection, wsconnect } from '@nats-io/nats-core'
import {
  actionEventShape,
  parseJson,
  type Shape,
  type UiChange,
  uiChangeShape,
} from '@trustgw/protocol'
import type { LiveConnection, LiveSource } from './live.ts'

const CONNECT_TIMEOUT_MS = 10_000
const PING_INTERVAL_MS = 20_000
const PINGS_UNANSWERED_MAX = 2
const EVENT_MAX_BYTES = 65_536

/**
 * NATS over WebSocket. The identity is in an HttpOnly cookie that the server reads at the
 * handshake; this code never sees a credential. Reconnecting is the caller's, since the cookie
 * must be renewed first.
 */
export function natsLive(): LiveSource {
  return {
    open: async (bus, { onEvent, onChange }) => {
      const connection = await wsconnect({
        servers: bus.url,
        inboxPrefix: bus.inbox_prefix,
        name: 'portal',
        reconnect: false,
        timeout: CONNECT_TIMEOUT_MS,
        pingInterval: PING_INTERVAL_MS,
        maxPingOut: PINGS_UNANSWERED_MAX,
        ignoreAuthErrorAbort: true,
      })
      subscribe(connection, { subject: bus.subject, shape: actionEventShape, take: onEvent })
      const takeChange = ({ what }: UiChange): void => onChange(what)
      subscribe(connection, { subject: bus.changed, shape: uiChangeShape, take: takeChange })
      await connection.flush()
      return opened(connection)
    },
  }
}

function subscribe<T>(
  connection: NatsConnection,
  {
    subject,
    shape,
    take,
  }: {
    readonly subject: string
    readonly shape: Shape<T>
    readonly take: (value: T) => void
  },
): void {
  connection.subscribe(subject, {
    callback: (error, message) => {
      if (error !== null) {
        void connection.close()
        return
      }
      const parsed = parseJson(message.data, { maxBytes: EVENT_MAX_BYTES })
      const read = parsed.ok ? shape.read(parsed.value) : parsed
      if (read.ok) take(read.value)
    },
  })
}

function opened(connection: NatsConnection): LiveConnection {
  return {
    ended: connection.closed().then(
      () => undefined,
      () => undefined,
    ),
    close: () => void connection.close().catch(() => undefined),
  }
}
