import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { HttpCaller } from './http-caller.ts'
import { legacySession } from './mcp-calls.ts'

const READY_TIMEOUT_MS = 20_000
const READY_PAUSE_MS = 100

/** The ungoverned proxy, over the same kind of server process. */
export interface Peer {
  readonly url: string
  readonly path: string
  readonly pid: number
  stop(): void
}

export interface PeerOptions {
  /** The script of `mcp-proxy`. */
  readonly script: string
  readonly server: readonly string[]
  readonly tool: string
  readonly expect: string
}

/** Starts `mcp-proxy` on a free port and waits until a call goes through. */
export async function startPeer(options: PeerOptions): Promise<Peer> {
  const { script, server } = options
  const port = await freePort()
  const child = spawn(
    process.execPath,
    [script, '--host', '127.0.0.1', '--port', String(port), '--server', 'stream', '--', ...server],
    // A group of its own, so that the server below it ends with it.
    { stdio: 'ignore', env: {}, detached: true },
  )
  const stop = (): void => endGroup(child)
  const url = `http://127.0.0.1:${port}`
  try {
    await waitFor(url, options, child)
  } catch (error) {
    stop()
    throw error
  }
  return { url, path: '/mcp', pid: child.pid ?? 0, stop }
}

async function waitFor(url: string, options: PeerOptions, child: ChildProcess): Promise<void> {
  const { tool, expect } = options
  const deadline = performance.now() + READY_TIMEOUT_MS
  for (;;) {
    const http = new HttpCaller(url, 1)
    try {
      const call = await legacySession({ http, path: '/mcp', tool, expect, headers: {} })
      await call()
      return
    } catch (error) {
      if (performance.now() > deadline || child.exitCode !== null) {
        throw new Error('mcp-proxy did not start', { cause: error })
      }
    } finally {
      http.close()
    }
    await new Promise((resolve) => setTimeout(resolve, READY_PAUSE_MS))
  }
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It has ended already.
  }
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0 }, () => resolve())
  })
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
