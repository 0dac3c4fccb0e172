import { POLICY_ADMIN_ROLE } from '@trustgw/protocol'
import { type ReactElement, useEffect, useRef, useState } from 'react'
import { usePortal, usePortalState } from '../app/context.ts'
import { NavLink } from '../app/nav-link.tsx'
import { fingerprintOf, type ListedPasskey, type ListedPerson } from '../logic/pinning.ts'
import type { LinkGiven } from '../ports/people-shapes.ts'
import { sha256 } from '../ports/sha256.ts'
import { Hardened } from '../ui/hardened.tsx'
import { Icon } from '../ui/icons.tsx'
import { Notice, Waiting } from '../ui/notice.tsx'
import { LinkOnce } from './link-once.tsx'
import { PasskeyForm } from './passkey-form.tsx'
import { RolesField, rolesOf } from './roles-field.tsx'

/** Who is here, by which approval passkeys, and which of them an admin had pinned. */
export function PeoplePage(): ReactElement {
  const portal = usePortal()
  const { people, peopleProblem, session } = usePortalState()
  useEffect(() => void portal.people.load(), [portal])
  if (people === undefined && peopleProblem === undefined) {
    return <Waiting text="Fetching the people…" page="People" />
  }
  return (
    <div className="mx-auto max-w-3xl px-3 py-6 lg:px-8 lg:py-8">
      <h1 className="px-2 text-2xl font-semibold tracking-tight">People</h1>
      <p className="mt-1 px-2 text-soft">
        An executor counts an approval only if it has pinned the passkey that made it. It takes new
        pins from an admin whom it has pinned before. Pins made by command are known to the executor
        alone: <code className="data">trustgw pins list</code> shows them.
      </p>
      {peopleProblem === undefined ? null : (
        <div className="mt-4">
          <Notice tone="bad" title={peopleProblem} alert />
        </div>
      )}
      {session?.person.roles.includes(POLICY_ADMIN_ROLE) === true ? <Invite /> : null}
      <ul className="mt-5 flex flex-col gap-5">
        {(people ?? []).map((person) => (
          <li key={person.id}>
            <Person person={person} />
          </li>
        ))}
      </ul>
    </div>
  )
}

function Person({ person }: { readonly person: ListedPerson }): ReactElement {
  const title = `person-${person.id}`
  return (
    <article aria-labelledby={title} className="sheet flex flex-col gap-4 px-5 py-6 lg:px-8">
      <header>
        <h2 id={title} className="text-xl font-semibold tracking-tight [overflow-wrap:anywhere]">
          <NavLink to={`/people/${person.id}`} className="link">
            <Hardened text={person.name} />
          </NavLink>
        </h2>
        <p className="text-soft">
          <span className="data">{person.id}</span>
          {person.roles.length === 0 ? ', no role' : `, ${person.roles.join(', ')}`}
        </p>
      </header>
      <PersonPasskeys person={person} />
    </article>
  )
}

/** Approval passkeys with fingerprint and pin; an admin pins them here. */
export function PersonPasskeys({ person }: { readonly person: ListedPerson }): ReactElement {
  if (person.passkeys.length === 0) return <p className="text-soft">No approval passkey.</p>
  return (
    <ul className="flex flex-col gap-4">
      {person.passkeys.map((passkey) => (
        <li key={passkey.credential_id} className="border-t border-line pt-4">
          <Passkey person={person} passkey={passkey} />
        </li>
      ))}
    </ul>
  )
}

/** A one-time link for somebody new. */
function Invite(): ReactElement {
  const { people } = usePortal()
  const [isOpen, setOpen] = useState(false)
  const [given, setGiven] = useState<LinkGiven | undefined>()
  const [id, setId] = useState('')
  const [roles, setRoles] = useState('')
  const invite = async (): Promise<string | undefined> => {
    const made = await people.invite(id.trim(), rolesOf(roles))
    if (typeof made === 'string') return made
    setGiven(made)
    return undefined
  }
  if (!isOpen) {
    return (
      <div className="mt-5 flex flex-col gap-3">
        {given === undefined ? null : <LinkOnce given={given} />}
        <button type="button" className="button ml-2 self-start" onClick={() => setOpen(true)}>
          <Icon name="plus" />
          Invite somebody…
        </button>
      </div>
    )
  }
  return (
    <div className="sheet mt-5 px-5 py-6 lg:px-8">
      <PasskeyForm
        label="Invite somebody"
        confirm="Make link"
        isReady={id.trim() !== ''}
        takesPasskey={false}
        sign={invite}
        onBack={() => setOpen(false)}
      >
        <label className="flex flex-col gap-1.5 font-semibold">
          Name in the record
          <input
            className="field font-normal"
            maxLength={31}
            autoCapitalize="none"
            placeholder="grace"
            value={id}
            onChange={(event) => setId(event.target.value)}
          />
        </label>
        <RolesField text={roles} setText={setRoles} />
        <p className="text-soft">
          The link works once, for 15 minutes. Hand it over where only they can read it; then
          compare the fingerprint and pin the passkey.
        </p>
      </PasskeyForm>
    </div>
  )
}

interface PasskeyProps {
  readonly person: ListedPerson
  readonly passkey: ListedPasskey
}

function Passkey({ person, passkey }: PasskeyProps): ReactElement {
  const { session } = usePortalState()
  const [isOpen, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  const fingerprint = fingerprintOf(passkey, sha256)
  const isAdmin = session?.person.roles.includes(POLICY_ADMIN_ROLE) ?? false
  const made = new Date(passkey.created_at).toLocaleDateString()
  if (fingerprint === undefined) {
    return <Notice tone="bad" title="This passkey cannot be read, so it cannot be pinned." />
  }
  const back = (): void => {
    setOpen(false)
    requestAnimationFrame(() => button.current?.focus())
  }
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <h3 className="font-semibold">Approval passkey of {made}</h3>
        <PinState passkey={passkey} />
      </div>
      <Fingerprint text={fingerprint} />
      {isOpen ? (
        <PinForm person={person} passkey={passkey} onBack={back} />
      ) : isAdmin && passkey.pin === null ? (
        <button
          ref={button}
          type="button"
          className="button self-start"
          onClick={() => setOpen(true)}
        >
          Pin…
          <span className="sr-only">
            {' '}
            the passkey of {person.id} of {made}
          </span>
        </button>
      ) : null}
    </div>
  )
}

function PinState({ passkey }: { readonly passkey: ListedPasskey }): ReactElement {
  const { pin } = passkey
  if (pin === null) return <span className="chip bg-sunken text-soft">Not pinned here</span>
  const day = new Date(pin.at).toLocaleDateString()
  return pin.kind === 'pinned' ? (
    <span className="chip bg-green-wash text-green">
      <Icon name="check" size={14} />
      Pinned by {pin.by}, {day}
    </span>
  ) : (
    <span className="chip bg-red-wash text-red">
      <Icon name="cross" size={14} />
      Revoked {day}
    </span>
  )
}

function Fingerprint({ text }: { readonly text: string }): ReactElement {
  return (
    <p className="grid max-w-md grid-cols-4 gap-x-2 gap-y-1 rounded-lg bg-sunken px-4 py-3 text-center font-mono text-lg">
      <span className="sr-only">Fingerprint: </span>
      {text.split(' ').map((group, index) => (
        <span key={`${index}-${group}`}>{group}</span>
      ))}
    </p>
  )
}

function PinForm({
  person,
  passkey,
  onBack,
}: PasskeyProps & { readonly onBack: () => void }): ReactElement {
  const portal = usePortal()
  const [isCompared, setCompared] = useState(false)
  const box = useRef<HTMLInputElement>(null)
  useEffect(() => box.current?.focus(), [])
  const roles = person.roles.length === 0 ? 'no role' : person.roles.join(', ')
  return (
    <PasskeyForm
      label={`Pin the passkey of ${person.id}`}
      confirm="Pin with passkey"
      isReady={isCompared}
      sign={() => portal.people.pin(person, passkey)}
      onBack={onBack}
    >
      <p>
        Ask <Hardened text={person.name} /> to read out the eight groups that their own page showed
        when they enrolled, face to face or by telephone, not over this page.
      </p>
      {person.roles.includes(POLICY_ADMIN_ROLE) ? (
        <Notice
          tone="warn"
          title="As an admin this person can pin others, thaw, and seal policies."
        />
      ) : null}
      <label className="flex items-start gap-3 font-semibold">
        <input
          ref={box}
          type="checkbox"
          className="mt-0.5 size-5 shrink-0 accent-brand"
          checked={isCompared}
          onChange={(event) => setCompared(event.target.checked)}
        />
        All eight groups are the same
      </label>
      <p className="text-soft">
        Executors then count approvals by this passkey as {person.id}, with the roles: {roles}. It
        stays so until the passkey is revoked.
      </p>
    </PasskeyForm>
  )
}
