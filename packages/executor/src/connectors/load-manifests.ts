import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type ConnectorManifest, findContradiction, manifestShape } from './manifest.ts'
import { type DocumentOutcome, type DocumentProblem, readDocument } from './toml-document.ts'

export type ManifestsOutcome =
  | { readonly ok: true; readonly manifests: readonly ConnectorManifest[] }
  | { readonly ok: false; readonly problems: readonly DocumentProblem[] }

/** Reads one manifest; closed: an unknown key refuses it, naming the nearest valid one. */
export function readManifest(file: string, text: string): DocumentOutcome<ConnectorManifest> {
  const read = readDocument(file, text, manifestShape)
  if (!read.ok) return read
  const found = findContradiction(read.value)
  return found === undefined ? read : { ok: false, problem: { file, line: undefined, ...found } }
}

/** Every `*.toml` of a folder; one bad file refuses all, with every problem found. */
export async function loadManifests(folder: string): Promise<ManifestsOutcome> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.toml')).sort()
  const manifests: ConnectorManifest[] = []
  const problems: DocumentProblem[] = []
  for (const name of names) {
    const file = join(basename(folder), name)
    const read = readManifest(file, await readFile(join(folder, name), 'utf8'))
    if (!read.ok) {
      problems.push(read.problem)
    } else if (manifests.some((other) => other.id === read.value.id)) {
      problems.push({ file, line: undefined, key: 'id', problem: 'another file has this id' })
    } else {
      manifests.push(read.value)
    }
  }
  return problems.length === 0 ? { ok: true, manifests } : { ok: false, problems }
}
