import { randomBytes } from 'node:crypto'
import {
  type FreezeScope,
  type FreezeStatement,
  hashText,
  type PinStatement,
  statementHash,
} from '@trustgw/protocol'
import { sha256, TENANT } from '@trustgw/testkit/approval-requests'
import { SoftwareAuthenticator } from '@trustgw/testkit/software-authenticator'
import type { ListedKey } from '../../src/logic/agents.ts'
import type { ListedFreeze } from '../../src/logic/freezes.ts'
import type { ListedPerson } from '../../src/logic/pinning.ts'

/** A freeze as the host lists it. */
export function listedFreeze(
  scope: FreezeScope,
  said: { readonly by: string; readonly reason: string; readonly at: number; vouched?: string },
): ListedFreeze {
  const { by, reason, at, vouched = 'host' } = said
  const reason_hash = hashText(sha256, reason)
  const nonce = randomBytes(16).toString('base64url')
  const head = { typ: 'trustgw/freeze/1', tenant: TENANT, scope, reason_hash, counter: 1 } as const
  return { statement: { ...head, by, at, nonce }, reason, vouched, final: false }
}

type Wish = { readonly reason: string } & (
  | { readonly order: 'freeze'; readonly scope: FreezeScope; readonly final?: true }
  | { readonly order: 'thaw'; readonly freeze: string }
)

function freezeOf({ scope, final }: Extract<Wish, { readonly order: 'freeze' }>): object {
  return { scope, ...(final === undefined ? {} : { final }) }
}

/** What the double answers of freezes and people; it checks nothing, and signs whatever it is told. */
export class PeopleDouble {
  freezes: ListedFreeze[] = []
  people: ListedPerson[] = []
  agents: ListedKey[] = []
  /** The code with which what was signed is refused. */
  refusal: string | undefined
  /** Changes what the host would have signed. */
  twist: (statement: object) => object = (statement) => statement
  #wish: Wish | undefined
  #statement: object = {}
  #pin: PinStatement | undefined

  freezeChallenge(wish: unknown, by: string): object {
    this.#wish = wish as Wish
    const { reason } = this.#wish
    const nonce = randomBytes(32).toString('base64url')
    const said = {
      tenant: TENANT,
      reason_hash: hashText(sha256, reason),
      by,
      at: Date.now(),
      nonce,
    }
    const own =
      this.#wish.order === 'freeze'
        ? { typ: 'trustgw/freeze/1', ...freezeOf(this.#wish), counter: 7, ...said }
        : { typ: 'trustgw/thaw/1', freeze_hash: this.#wish.freeze, ...said }
    this.#statement = this.twist(own)
    return { statement: this.#statement, nonce, expires_at: Date.now() + 1_000 }
  }

  freezeApply(): object {
    const wish = this.#wish
    if (wish?.order === 'freeze') {
      const statement = this.#statement as FreezeStatement
      const { reason, final = false } = wish
      this.freezes = [...this.freezes, { statement, reason, vouched: 'host', final }]
    } else if (wish?.order === 'thaw') {
      this.freezes = this.freezes.filter(
        ({ statement }) => statementHash(sha256, statement) !== wish.freeze,
      )
    }
    return { hash: `sha256:${'0'.repeat(64)}`, standing: [] }
  }

  pinChallenge(wish: unknown, admin: string, origin: string): object {
    const { person: id, credential_id } = wish as { person: string; credential_id: string }
    const person = this.people.find((one) => one.id === id)
    const passkey = person?.passkeys.find((one) => one.credential_id === credential_id)
    const nonce = randomBytes(32).toString('base64url')
    const own: PinStatement = {
      typ: 'trustgw/pin/1',
      tenant: TENANT,
      person: id,
      roles: person?.roles ?? [],
      credential_id,
      public_key: passkey?.public_key ?? '',
      rp_id: passkey?.rp_id ?? '',
      origins: [origin],
      admin,
      at: Date.now(),
      nonce,
    }
    this.#pin = own
    return { statement: this.twist(own), nonce, expires_at: Date.now() + 1_000 }
  }

  /** One person, and links for them; changes nothing. */
  person(id: string, step: string): object {
    const known = this.people.find((one) => one.id === id)
    if (id === '' || step === 'recovery') {
      return { person: id, link: 'https://host/enrol#once', expires_at: Date.now() + 900_000 }
    }
    if (step !== '') return { ended: 1 }
    return { ...known, id, sign_in_passkeys: 1, sessions: 2, ended: 2 }
  }

  pinApply(): object {
    const pin = this.#pin
    this.people = this.people.map((person) => ({
      ...person,
      passkeys: person.passkeys.map((passkey) =>
        passkey.credential_id === pin?.credential_id
          ? { ...passkey, pin: { kind: 'pinned', by: pin.admin, at: pin.at } as const }
          : passkey,
      ),
    }))
    return { person: pin?.person ?? '', fingerprint: '' }
  }
}

/** A passkey of nobody, for a person who is shown. */
export function listedPerson(
  person: Pick<ListedPerson, 'id' | 'name' | 'roles'>,
  passkey: { readonly created_at: number; readonly pin: ListedPerson['passkeys'][number]['pin'] },
): ListedPerson {
  const place = { rpId: 'localhost', origin: 'http://localhost' }
  const key = new SoftwareAuthenticator({ algorithm: 'ES256', ...place })
  const { credentialId: credential_id, publicKey: public_key } = key
  return { ...person, passkeys: [{ credential_id, public_key, rp_id: 'localhost', ...passkey }] }
}
