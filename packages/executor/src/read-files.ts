import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { mapShape, objectShape, oneOfShape, type Shape, type Tier } from '@trustgw/protocol'
import { Credentials } from './connectors/credentials.ts'
import { loadManifests } from './connectors/load-manifests.ts'
import type { ConnectorManifest } from './connectors/manifest.ts'
import { formatProblem, readDocument } from './connectors/toml-document.ts'
import { ExecutorFault } from './executor-fault.ts'

/** What an executor reads from files of its own at its start. */
export interface OwnFiles {
  readonly manifests: readonly ConnectorManifest[]
  readonly credentials: Credentials
  /** The lowest tier for a tool, whatever the gateway says (spec/protocol.md §4 step 3). */
  readonly floors: ReadonlyMap<string, Tier>
}

interface FloorsFile {
  readonly version: 1
  readonly floors: { readonly [tool: string]: Tier }
}

const FLOORS_MAX = 1_024

const floorsShape: Shape<FloorsFile> = objectShape({
  version: oneOfShape(1),
  floors: mapShape(oneOfShape(0, 1, 2, 3), { max: FLOORS_MAX, nameMax: 128 }),
})

/**
 * Manifests of a folder, and of the executor's own folder `credentials.toml` and `executor.toml`,
 * both optional. Throws `ExecutorFault` with a line for each problem.
 */
export async function readOwnFiles(connectorsDir: string, executorDir: string): Promise<OwnFiles> {
  const read = await loadManifests(connectorsDir)
  if (!read.ok) throw new ExecutorFault('connectors_refused', read.problems.map(formatProblem))
  const credentials = await Credentials.load(join(executorDir, 'credentials.toml'))
  if (!credentials.ok) {
    throw new ExecutorFault('credentials_refused', [formatProblem(credentials.problem)])
  }
  const floors = await readFloors(join(executorDir, 'executor.toml'))
  return { manifests: read.manifests, credentials: credentials.value, floors }
}

async function readFloors(path: string): Promise<ReadonlyMap<string, Tier>> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Map()
    throw error
  }
  const read = readDocument(path, text, floorsShape)
  if (!read.ok) throw new ExecutorFault('floors_refused', [formatProblem(read.problem)])
  return new Map(Object.entries(read.value.floors))
}
