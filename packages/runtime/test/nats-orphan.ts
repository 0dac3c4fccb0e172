import { startNatsServer } from '../src/nats/server.ts'

/** A supervisor to be killed: starts a server from its arguments and waits. */
const [, , binary = '', dir = '', searchPath = ''] = process.argv
const server = await startNatsServer({
  binary,
  dir,
  searchPath,
  ports: { client: -1, websocket: -1 },
  onLine: () => undefined,
  config: (ports) =>
    `listen: "127.0.0.1:${ports.client}"\nwebsocket { listen: "127.0.0.1:${ports.websocket}", no_tls: true }\n`,
})
process.stdout.write(`${server.ports.client}\n`)
setInterval(() => undefined, 60_000)
