import {
  arrayShape,
  type JsonObject,
  mapShape,
  nameField,
  objectShape,
  oneOfShape,
  type Principal,
  type Shape,
  type ShapeOf,
  stringShape,
} from '@trustgw/protocol'
import { FileFault, readSecretFile } from '@trustgw/runtime'
import { NO_CREDENTIAL } from './manifest.ts'
import { type DocumentOutcome, readDocument } from './toml-document.ts'

/** Which principals may act with a credential; `*` stands for any. Every member must match. */
const allowShape = objectShape({
  tenant: nameField,
  issuer: nameField,
  client: nameField,
  subject: nameField,
})

const credentialsShape: Shape<CredentialsFile> = objectShape({
  version: oneOfShape(1),
  credentials: mapShape(
    objectShape({
      secret: stringShape({ min: 8, max: 4_096, characters: 'token' }),
      allow: arrayShape(allowShape, { max: 256 }),
    }),
    { max: 256, nameMax: 128 },
  ),
})

type Allow = ShapeOf<typeof allowShape>

interface CredentialsFile {
  readonly version: 1
  readonly credentials: {
    readonly [name: string]: { readonly secret: string; readonly allow: readonly Allow[] }
  }
}

const REFUSED_FILE: Readonly<Record<string, string>> = {
  file_mode: 'others may read it; chmod 600',
  file_owner: 'it is a link or belongs to somebody else',
  file_too_large: 'it is too long',
}

/** The secrets of this executor. Prints as nothing, so that no log line can hold one. */
export class Credentials {
  readonly #file: CredentialsFile

  private constructor(file: CredentialsFile) {
    this.#file = file
  }

  static empty(): Credentials {
    return new Credentials({ version: 1, credentials: {} })
  }

  /** The problem never quotes the file's content. */
  static parse(file: string, text: string): DocumentOutcome<Credentials> {
    const read = readDocument(file, text, credentialsShape)
    return read.ok ? { ok: true, value: new Credentials(read.value) } : read
  }

  /**
   * A file that is not there holds no credential. One that others than its owner may read is
   * refused.
   */
  static async load(path: string): Promise<DocumentOutcome<Credentials>> {
    try {
      const text = Buffer.from(await readSecretFile(path)).toString('utf8')
      return Credentials.parse(path, text)
    } catch (error) {
      if (!(error instanceof FileFault)) throw error
      if (error.code === 'file_missing') return { ok: true, value: Credentials.empty() }
      const problem = REFUSED_FILE[error.code] ?? 'it cannot be read'
      return { ok: false, problem: { file: path, line: undefined, key: '', problem } }
    }
  }

  has(name: string): boolean {
    return name === NO_CREDENTIAL || Object.hasOwn(this.#file.credentials, name)
  }

  /** The secret; undefined for `none` and for an unknown name. */
  secretOf(name: string): string | undefined {
    return Object.hasOwn(this.#file.credentials, name)
      ? this.#file.credentials[name]?.secret
      : undefined
  }

  /** By this executor's own list (spec/protocol.md §4 step 2). `none` is allowed to everybody. */
  allows(name: string, principal: Principal): boolean {
    if (name === NO_CREDENTIAL) return true
    const allow = Object.hasOwn(this.#file.credentials, name)
      ? (this.#file.credentials[name]?.allow ?? [])
      : []
    return allow.some((entry) =>
      (['tenant', 'issuer', 'client', 'subject'] as const).every(
        (part) => entry[part] === '*' || entry[part] === principal[part],
      ),
    )
  }

  secrets(): readonly string[] {
    return Object.values(this.#file.credentials).map(({ secret }) => secret)
  }

  toJSON(): JsonObject {
    return {}
  }
}
