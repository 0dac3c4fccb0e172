import { open } from 'node:fs/promises'
import {
  arrayShape,
  booleanShape,
  integerShape,
  type JsonObject,
  nullableShape,
  objectShape,
  parseJsonObject,
  readShape,
  type Shape,
  stringShape,
} from '@trustgw/protocol'

const INSTALLATION_MAX_BYTES: number = 64 * 1024
const text = stringShape({ max: 2_000 })
const count = integerShape({ min: 0, max: Number.MAX_SAFE_INTEGER })

/** What the supervisor writes to `public/installation.json`. Times in Unix milliseconds. */
export interface InstallationStatus {
  readonly processes: readonly ProcessStatus[]
  readonly bus: BusStatusView
  readonly isolation: readonly IsolationStatus[]
  readonly mode: string
  readonly versions: { readonly trustgw: string; readonly node: string }
  readonly state_dir: string
}

export interface ProcessStatus {
  readonly name: string
  readonly pid: number | null
  readonly state: string
  readonly started_at: number | null
  readonly restarts: number
  /** How its last process ended: `exit 0`, `SIGKILL`; null before any did. */
  readonly last_end: string | null
  readonly version: string | null
}

export interface BusStatusView {
  readonly version: string | null
  readonly connected: boolean
  readonly port: number | null
  readonly websocket_port: number | null
}

export interface IsolationStatus {
  readonly name: string
  readonly in_force: boolean
  readonly detail: string
}

const processShape: Shape<ProcessStatus> = objectShape({
  name: text,
  pid: nullableShape(count),
  state: text,
  started_at: nullableShape(count),
  restarts: count,
  last_end: nullableShape(text),
  version: nullableShape(text),
})

const busShape: Shape<BusStatusView> = objectShape({
  version: nullableShape(text),
  connected: booleanShape(),
  port: nullableShape(count),
  websocket_port: nullableShape(count),
})

const isolationShape: Shape<IsolationStatus> = objectShape({
  name: text,
  in_force: booleanShape(),
  detail: text,
})

export const installationStatusShape: Shape<InstallationStatus> = objectShape({
  processes: arrayShape(processShape, { max: 64 }),
  bus: busShape,
  isolation: arrayShape(isolationShape, { max: 64 }),
  mode: text,
  versions: objectShape({ trustgw: text, node: text }),
  state_dir: text,
})

/** What the host adds from its own view. */
export interface HostView {
  readonly version: string
  readonly node: string
  readonly busConnected: boolean
  readonly openApprovals: number
}

/**
 * The supervisor's status with the host's own view of the bus. Where the file is absent or not as
 * described, `supervisor` says so and only the host's view is told.
 */
export async function describeInstallation(file: string, view: HostView): Promise<JsonObject> {
  const status = await readStatus(file)
  const host = { open_approvals: view.openApprovals, bus_connected: view.busConnected }
  if (status === undefined) {
    return {
      supervisor: 'unknown',
      processes: [],
      bus: { version: null, connected: view.busConnected, port: null, websocket_port: null },
      isolation: [],
      mode: 'unknown',
      versions: { trustgw: view.version, node: view.node },
      state_dir: '',
      host,
    }
  }
  return {
    supervisor: 'known',
    ...status,
    processes: status.processes.map((process) => ({ ...process })),
    bus: { ...status.bus, connected: view.busConnected },
    isolation: status.isolation.map((item) => ({ ...item })),
    versions: { ...status.versions },
    host,
  }
}

async function readStatus(file: string): Promise<InstallationStatus | undefined> {
  let bytes: Uint8Array
  try {
    bytes = await readSmall(file)
  } catch {
    // Absent before the supervisor wrote it, or a host that runs without one.
    return undefined
  }
  const parsed = parseJsonObject(bytes, { maxBytes: INSTALLATION_MAX_BYTES })
  if (!parsed.ok) return undefined
  const read = readShape(installationStatusShape, parsed.value)
  return read.ok ? read.value : undefined
}

async function readSmall(file: string): Promise<Uint8Array> {
  const handle = await open(file, 'r')
  try {
    const buffer = new Uint8Array(INSTALLATION_MAX_BYTES + 1)
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}
