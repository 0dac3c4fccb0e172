import { readFileSync } from 'node:fs'
import { readUserJwt } from './jwt.ts'
import { NatsError } from './nats-error.ts'
import { type NKey, nkeyFromSeed } from './nkeys.ts'
import { writePrivateFile } from './private-file.ts'

/** What the server asks of a connecting client; structurally the client library's authenticator answer. */
export interface BusSignature {
  readonly jwt: string
  readonly nkey: string
  readonly sig: string
}

/** One identity on the bus: how to prove it, and where its answers arrive. */
export interface BusCreds {
  readonly name: string
  /** Public user nkey, as the server names it in `Nats-Request-Info`. */
  readonly user: string
  /** Public key of its account. */
  readonly account: string
  /** `_INBOX.<own part>`, no trailing dot; the server lets this identity listen for answers nowhere else. */
  readonly inboxPrefix: string
  readonly jwt: string
  /** Proves the identity for a server's nonce. The private key stays inside. */
  readonly prove: (nonce?: string) => BusSignature
}

const CREDS_MAX_BYTES = 64 * 1024
const CREDS =
  /^-----BEGIN NATS USER JWT-----\r?\n(\S+)\r?\n------END NATS USER JWT------\r?\n[\s\S]*?-----BEGIN USER NKEY SEED-----\r?\n(\S+)\r?\n------END USER NKEY SEED------\s*$/
const INBOX_RULE = /^(_INBOX\.[A-Za-z0-9_-]+)\.>$/

/** The usable identity of a user token and its key. `NatsError` `key_malformed` if they do not belong together. */
export function busCreds(jwt: string, key: NKey): BusCreds {
  const token = readUserJwt(jwt)
  if (key.kind !== 'user' || key.publicKey !== token.user) {
    throw new NatsError('key_malformed', 'the user token is for another key')
  }
  const inboxes = token.subscribe.flatMap((rule) => INBOX_RULE.exec(rule)?.[1] ?? [])
  return {
    name: token.name,
    user: token.user,
    account: token.account,
    // A scoped user's token states no rights; its template builds the inbox from the name.
    inboxPrefix: inboxes[0] ?? `_INBOX.${token.name}`,
    jwt,
    prove: (nonce) => ({
      jwt,
      nkey: token.user,
      sig: Buffer.from(key.sign(Buffer.from(nonce ?? ''))).toString('base64url'),
    }),
  }
}

/** The text of a NATS credentials file: it holds the seed, so it is a secret. */
export function credsText(jwt: string, key: NKey): string {
  return [
    '-----BEGIN NATS USER JWT-----',
    jwt,
    '------END NATS USER JWT------',
    '',
    '-----BEGIN USER NKEY SEED-----',
    key.seed(),
    '------END USER NKEY SEED------',
    '',
  ].join('\n')
}

/** Parses a credentials file's text; `NatsError` `key_malformed`. */
export function parseCreds(text: string): BusCreds {
  const match = text.length > CREDS_MAX_BYTES ? null : CREDS.exec(text.trimStart())
  const [, jwt, seed] = match ?? []
  if (jwt === undefined || seed === undefined) {
    throw new NatsError('key_malformed', 'not a NATS credentials file')
  }
  return busCreds(jwt, nkeyFromSeed(seed))
}

/** Reads a credentials file; file system errors pass through. */
export function readCredsFile(file: string): BusCreds {
  return parseCreds(readFileSync(file, 'utf8'))
}

/** Writes credentials for their owner alone (mode 600); an existing file needs `replace`. */
export function writeCredsFile(
  file: string,
  text: string,
  options: { readonly replace?: boolean } = {},
): void {
  writePrivateFile(file, text, options)
}
