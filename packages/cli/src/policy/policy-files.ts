import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { type Finding, LAYERS, parsePolicy } from '@trustgw/core'
import { nameField, type PolicyLayer } from '@trustgw/protocol'
import type { Settings } from '@trustgw/runtime'

/** One file of policy and whom it is for. */
export interface PolicyFile {
  readonly layer: PolicyLayer
  readonly scope: string | null
  /** As findings name it: relative to the state folder where it lies in it. */
  readonly file: string
  readonly text: string
}

/** A file of policy that cannot be read, or that no layer takes. */
export class PolicyFilesFault extends Error {
  readonly code = 'policy_files'
}

/** Longest file that is read at all, in bytes; `parsePolicy` says which are too long. */
const FILE_MAX_BYTES = 8_388_608
const SCOPED: readonly (readonly [folder: string, layer: 'workspace' | 'agent'])[] = [
  ['workspaces', 'workspace'],
  ['agents', 'agent'],
]

interface Place {
  readonly layer: PolicyLayer
  readonly scope: string | null
  readonly path: string
}

/**
 * The policy files of an installation: the platform's, and in `policy.layers_dir` those of the tenant,
 * of workspaces and of agents. A file there that no layer takes is a fault: left out in silence it
 * would permit what its author meant to forbid.
 */
export async function readPolicyFiles(settings: Settings): Promise<readonly PolicyFile[]> {
  const places = await policyPlaces(settings)
  return Promise.all(
    places.map(async ({ layer, scope, path }) => ({
      layer,
      scope,
      file: nameOf(settings, path),
      text: await readPolicyText(path),
    })),
  )
}

/** Changes whenever a file of policy may have changed. */
export async function policyMark(settings: Settings): Promise<string> {
  try {
    const places = await policyPlaces(settings)
    const marks = await Promise.all(
      places.map(async ({ path }) => {
        const { mtimeNs, size, ino } = await stat(path, { bigint: true })
        return `${path} ${mtimeNs} ${size} ${ino}`
      }),
    )
    return marks.join('\n')
  } catch (error) {
    return String(error)
  }
}

/** Everything that is wrong with files of policy. */
export function policyFindings(
  files: readonly PolicyFile[],
  development: boolean,
): readonly Finding[] {
  return files.flatMap(({ layer, file, text }) => {
    const parsed = parsePolicy(text, { file, layer, development })
    return parsed.ok ? [] : parsed.findings
  })
}

/** Whether policy may permit what no rule matches; see `parsePolicy`. */
export function isLenient(settings: Settings): boolean {
  return settings.mode === 'development' && settings.policy.allow_by_default
}

/** The text of one file; a fault that says what to do when it cannot be read. */
export async function readPolicyText(path: string): Promise<string> {
  try {
    if ((await stat(path)).size > FILE_MAX_BYTES) throw new PolicyFilesFault(`${path} is too long`)
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
  } catch (error) {
    if (error instanceof PolicyFilesFault) throw error
    throw new PolicyFilesFault(`${path} cannot be read (${reasonOf(error)})`)
  }
}

async function policyPlaces(settings: Settings): Promise<readonly Place[]> {
  const { file, layers_dir: dir } = settings.policy
  const places: Place[] = [{ layer: 'platform', scope: null, path: file }]
  for (const name of await namesIn(dir)) {
    const path = join(dir, name)
    const scoped = SCOPED.find(([folder]) => folder === name)
    if (name === 'tenant.toml') places.push({ layer: 'tenant', scope: null, path })
    else if (scoped !== undefined) places.push(...(await scopedPlaces(path, scoped[1])))
    else throw new PolicyFilesFault(`${path} is of no layer: ${EXPECTED}`)
  }
  return places.toSorted((a, b) => LAYERS.indexOf(a.layer) - LAYERS.indexOf(b.layer))
}

const EXPECTED = 'expected tenant.toml, workspaces/NAME.toml or agents/NAME.toml'

async function scopedPlaces(dir: string, layer: 'workspace' | 'agent'): Promise<readonly Place[]> {
  return (await namesIn(dir)).map((name) => {
    const path = join(dir, name)
    const scope = basename(name, '.toml')
    if (scope === name || !nameField.read(scope).ok) {
      throw new PolicyFilesFault(`${path} is of no ${layer}: expected NAME.toml`)
    }
    return { layer, scope, path }
  })
}

/** What editors leave behind is not policy. */
async function namesIn(dir: string): Promise<readonly string[]> {
  try {
    const names = await readdir(dir)
    return names.filter((name) => !name.startsWith('.') && !name.endsWith('~')).toSorted()
  } catch (error) {
    if (reasonOf(error) === 'ENOENT') return []
    throw new PolicyFilesFault(`${dir} cannot be read (${reasonOf(error)})`)
  }
}

function nameOf(settings: Settings, path: string): string {
  const below = relative(settings.state_dir, path)
  return below.startsWith('..') ? path : below
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && 'code' in error) return String(error.code)
  return 'not text'
}
