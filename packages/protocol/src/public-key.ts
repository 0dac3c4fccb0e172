import { base64urlField, nameField } from './fields.ts'
import { arrayShape, nullableShape, objectShape, oneOfShape, type Shape } from './shape.ts'

/** What a public key may sign; a key of one role is never looked up for another. */
export type KeyRole = 'operator' | 'grant' | 'host' | 'session' | 'result' | 'audit' | 'log'

/** A public key of the installation: `public/keys.json`, and what each service pins. */
export interface PublicKey {
  readonly kid: string
  readonly role: KeyRole
  /** Raw 32 bytes of the Ed25519 public key, base64url. */
  readonly public: string
  /** `gateway`, `host`, `exec-<profile>`, `log`, `operator`. */
  readonly component: string
  /** The executor profile of a `result` key. */
  readonly profile: string | null
}

export const publicKeyShape: Shape<PublicKey> = objectShape({
  kid: nameField,
  role: oneOfShape('operator', 'grant', 'host', 'session', 'result', 'audit', 'log'),
  public: base64urlField({ min: 43, max: 43 }),
  component: nameField,
  profile: nullableShape(nameField),
})

export const publicKeysShape: Shape<readonly PublicKey[]> = arrayShape(publicKeyShape, { max: 256 })
