import { POLICY_ADMIN_ROLE } from '@trustgw/protocol'
import { type ReactElement, type ReactNode, useCallback, useEffect, useState } from 'react'
import { usePortal, usePortalState } from '../app/context.ts'
import { NavLink } from '../app/nav-link.tsx'
import { type LinkGiven, type PersonDetail } from '../ports/people-shapes.ts'
import { Hardened } from '../ui/hardened.tsx'
import { Notice, Waiting } from '../ui/notice.tsx'
import { LinkOnce } from './link-once.tsx'
import { PasskeyForm } from './passkey-form.tsx'
import { PersonPasskeys } from './people.tsx'
import { RolesField, rolesOf } from './roles-field.tsx'

type Action = 'roles' | 'sessions' | 'recovery' | 'removal'

/** One person: roles, passkeys, sessions, and what an admin does about them. */
export function PersonPage({ id }: { readonly id: string }): ReactElement {
  const portal = usePortal()
  const { people, session } = usePortalState()
  const [detail, setDetail] = useState<PersonDetail | string | undefined>()
  const load = useCallback(async () => {
    await portal.people.load()
    setDetail(await portal.people.show(id))
  }, [portal, id])
  // News of people change the list, which is when the counts may be others too.
  useEffect(() => void load(), [load])
  if (detail === undefined) return <Waiting text="Fetching the person…" page="Person" />
  const listed = people?.find((one) => one.id === id)
  const isAdmin = session?.person.roles.includes(POLICY_ADMIN_ROLE) ?? false
  return (
    <div className="mx-auto flex max-w-3xl flex-col gap-5 px-3 py-6 lg:px-8 lg:py-8">
      <NavLink to="/people" className="link self-start px-2">
        All people
      </NavLink>
      <h1 className="px-2 text-2xl font-semibold tracking-tight [overflow-wrap:anywhere]">
        <Hardened text={typeof detail === 'string' ? id : detail.name} />
      </h1>
      {typeof detail === 'string' ? <Notice tone="bad" title={detail} alert /> : null}
      {typeof detail === 'string' ? null : <Facts detail={detail} />}
      {listed === undefined ? null : (
        <Section title="Approval passkeys">
          <PersonPasskeys person={listed} />
        </Section>
      )}
      {isAdmin && typeof detail !== 'string' ? (
        <Actions detail={detail} isSelf={session?.person.id === id} onDone={() => void load()} />
      ) : null}
    </div>
  )
}

function Section(props: { readonly title: string; readonly children: ReactNode }): ReactElement {
  return (
    <section aria-label={props.title} className="sheet flex flex-col gap-4 px-5 py-6 lg:px-8">
      <h2 className="text-xl font-semibold tracking-tight">{props.title}</h2>
      {props.children}
    </section>
  )
}

function Facts({ detail }: { readonly detail: PersonDetail }): ReactElement {
  const { id, roles, sessions, sign_in_passkeys } = detail
  const facts = [
    ['Name in the record', id],
    ['Roles', roles.length === 0 ? 'none' : roles.join(', ')],
    ['Sign-in passkeys', String(sign_in_passkeys)],
    ['Sessions open', String(sessions)],
  ] as const
  return (
    <Section title="Who this is">
      <dl className="grid grid-cols-[auto_1fr] gap-x-5 gap-y-1">
        {facts.map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-soft">{name}</dt>
            <dd className="[overflow-wrap:anywhere]">{value}</dd>
          </div>
        ))}
      </dl>
    </Section>
  )
}

interface ActionsProps {
  readonly detail: PersonDetail
  readonly isSelf: boolean
  readonly onDone: () => void
}

const LABELS: Readonly<Record<Action, string>> = {
  roles: 'Change roles…',
  sessions: 'Sign out everywhere…',
  recovery: 'Recover…',
  removal: 'Remove…',
}

function Actions(props: ActionsProps): ReactElement {
  const { detail, isSelf } = props
  const [open, setOpen] = useState<Action | undefined>()
  const [given, setGiven] = useState<LinkGiven | undefined>()
  const actions: readonly Action[] = isSelf
    ? ['roles', 'sessions', 'removal']
    : ['roles', 'sessions', 'recovery', 'removal']
  const back = (): void => {
    setOpen(undefined)
    props.onDone()
  }
  return (
    <Section title="As an admin">
      {given === undefined ? null : <LinkOnce given={given} />}
      {open === undefined ? (
        <div className="flex flex-wrap gap-2">
          {actions.map((action) => (
            <button
              key={action}
              type="button"
              className={action === 'removal' ? 'button button-deny' : 'button'}
              onClick={() => setOpen(action)}
            >
              {LABELS[action]}
            </button>
          ))}
        </div>
      ) : null}
      {open === 'roles' ? <RolesForm detail={detail} onBack={back} /> : null}
      {open !== undefined && open !== 'roles' ? (
        <Confirm detail={detail} action={open} onGiven={setGiven} onBack={back} />
      ) : null}
    </Section>
  )
}

function RolesForm(props: {
  readonly detail: PersonDetail
  readonly onBack: () => void
}): ReactElement {
  const { detail, onBack } = props
  const { people } = usePortal()
  const [text, setText] = useState(detail.roles.join(', '))
  const roles = rolesOf(text)
  const isLess = detail.roles.some((role) => !roles.includes(role))
  return (
    <PasskeyForm
      label={`Roles of ${detail.id}`}
      confirm="Change roles"
      isReady={roles.join() !== detail.roles.join()}
      takesPasskey={false}
      sign={() => people.setRoles(detail.id, roles)}
      onBack={onBack}
    >
      <RolesField text={text} setText={setText} hasFocus />
      <Notice tone="warn" title="It holds at once, in open sessions too">
        {isLess
          ? 'A role is taken away. Executors pinned the approval passkeys under the former roles, so all of them are revoked for good: this person makes a new one, and an admin pins it.'
          : 'A new role counts at executors once a new approval passkey was made and pinned under it.'}
      </Notice>
    </PasskeyForm>
  )
}

const WORDS: Readonly<
  Record<Exclude<Action, 'roles'>, { readonly confirm: string; readonly text: string }>
> = {
  sessions: {
    confirm: 'Sign out everywhere',
    text: 'Every session of this person ends now. The passkeys stay, so they can sign in again.',
  },
  recovery: {
    confirm: 'Make recovery link',
    text: 'For somebody who lost every passkey. The link works once, for 15 minutes. Who uses it makes two new passkeys; then all former ones are removed and revoked, and every session ends. Hand it over face to face, and be sure whom you give it to.',
  },
  removal: {
    confirm: 'Remove this person',
    text: 'Every session ends now, every passkey is removed, and executors believe the approval passkeys never again. What this person decided stays in the record, and the name stays taken.',
  },
}

function Confirm(props: {
  readonly detail: PersonDetail
  readonly action: Exclude<Action, 'roles'>
  readonly onGiven: (given: LinkGiven) => void
  readonly onBack: () => void
}): ReactElement {
  const { detail, action, onBack } = props
  const { people } = usePortal()
  const { confirm, text } = WORDS[action]
  const act = async (): Promise<string | undefined> => {
    if (action === 'sessions') return await people.endSessions(detail.id)
    if (action === 'removal') return await people.remove(detail.id)
    const given = await people.recover(detail.id)
    if (typeof given === 'string') return given
    props.onGiven(given)
    return undefined
  }
  return (
    <PasskeyForm
      label={`${confirm}: ${detail.id}`}
      confirm={confirm}
      isReady
      takesPasskey={false}
      sign={act}
      onBack={onBack}
    >
      <Notice tone="warn" title={`This is about ${detail.id}`}>
        {text}
      </Notice>
    </PasskeyForm>
  )
}
