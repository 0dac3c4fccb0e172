import {
  type InputHTMLAttributes,
  type ReactElement,
  type ReactNode,
  type RefObject,
  useEffect,
  useId,
  useRef,
  useState,
} from 'react'
import { usePortal, usePortalState } from '../app/context.ts'
import { type AgentFields, draftOf, firstFields } from '../logic/agent-draft.ts'
import type { AgentView } from '../logic/agents.ts'
import { PasskeyForm } from './passkey-form.tsx'

interface FieldSpec {
  readonly name: Exclude<keyof AgentFields, 'person'>
  readonly label: string
  readonly hint: string
  readonly input?: InputHTMLAttributes<HTMLInputElement>
}

const NAME: FieldSpec = {
  name: 'agent',
  label: 'Name',
  hint: 'How policy and people know it. It cannot be changed.',
  input: {
    className: 'field data',
    required: true,
    maxLength: 128,
    autoComplete: 'off',
    autoCapitalize: 'off',
    spellCheck: false,
  },
}
const TITLE: FieldSpec = {
  name: 'title',
  label: 'Title',
  hint: 'What people read; its name if this is empty.',
  input: { maxLength: 200 },
}
const LIMITS: readonly FieldSpec[] = [
  {
    name: 'tools',
    label: 'Only these tools',
    hint: 'Ids or shop.*, with commas; empty: all.',
    input: { className: 'field data' },
  },
  {
    name: 'until',
    label: 'Ends',
    hint: 'It opens nothing from then on.',
    input: { type: 'datetime-local' },
  },
  {
    name: 'calls',
    label: 'Calls a minute',
    hint: 'At each gateway; empty: no limit of its own.',
    input: { type: 'number', min: 1, max: 6_000 },
  },
  { name: 'skill', label: 'Skill level', hint: 'A name that rules use.' },
  { name: 'roles', label: 'Roles', hint: 'Names that rules use, with commas.' },
  { name: 'scopes', label: 'Scopes', hint: 'Names that rules use, with commas.' },
]

/** A new agent, or another key of `agent`; `shown` gets the key. */
export function AgentForm(props: {
  readonly agent: AgentView | undefined
  readonly shown: (key: string) => void
  readonly onBack: () => void
}): ReactElement {
  const { agent, shown, onBack } = props
  const portal = usePortal()
  const [fields, setFields] = useState(() => firstFields(agent))
  const first = useRef<HTMLInputElement>(null)
  useEffect(() => {
    first.current?.focus()
    void portal.people.load()
  }, [portal])
  const draft = draftOf(fields)
  const change = (name: keyof AgentFields, value: string): void =>
    setFields({ ...fields, [name]: value })
  const own = { fields, change }
  return (
    <PasskeyForm
      label={agent === undefined ? 'Register an agent' : `A new key of ${agent.agent}`}
      confirm="Register with passkey"
      isReady={draft !== undefined}
      sign={async () => (draft === undefined ? '' : portal.agents.register(draft, shown))}
      onBack={onBack}
    >
      {agent === undefined ? <TextField {...own} spec={NAME} focus={first} /> : null}
      <TextField {...own} spec={TITLE} {...(agent === undefined ? {} : { focus: first })} />
      <PersonField {...own} />
      <details className="rounded-lg border border-line px-4 py-3">
        <summary className="cursor-pointer font-semibold">
          Limits of this key, and what policy may go by
        </summary>
        <div className="mt-4 grid gap-4 sm:grid-cols-2">
          {LIMITS.map((spec) => (
            <TextField key={spec.name} {...own} spec={spec} />
          ))}
        </div>
      </details>
      <p className="text-soft">
        The key is made in this browser; the server gets only its hash. Executors that have pinned
        your passkey as an admin’s take the agent up, and it may call their tools then.
      </p>
    </PasskeyForm>
  )
}

interface Own {
  readonly fields: AgentFields
  readonly change: (name: keyof AgentFields, value: string) => void
}

function TextField(
  props: Own & { readonly spec: FieldSpec; readonly focus?: RefObject<HTMLInputElement | null> },
): ReactElement {
  const { fields, change, spec, focus } = props
  return (
    <Field label={spec.label} hint={spec.hint}>
      {(ids) => (
        <input
          className="field"
          {...spec.input}
          {...ids}
          {...(focus === undefined ? {} : { ref: focus })}
          value={fields[spec.name]}
          onChange={(event) => change(spec.name, event.target.value)}
        />
      )}
    </Field>
  )
}

function PersonField({ fields, change }: Own): ReactElement {
  const { people } = usePortalState()
  return (
    <Field label="On whose behalf it acts" hint="That person never approves what it proposes.">
      {(ids) => (
        <select
          className="field"
          {...ids}
          value={fields.person}
          onChange={(event) => change('person', event.target.value)}
        >
          <option value="">Nobody in particular</option>
          {(people ?? []).map((person) => (
            <option key={person.id} value={person.id}>
              {person.name} ({person.id})
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}

function Field(props: {
  readonly label: string
  readonly hint: string
  readonly children: (ids: {
    readonly id: string
    readonly 'aria-describedby': string
  }) => ReactNode
}): ReactElement {
  const id = useId()
  const hint = `${id}-hint`
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className="font-semibold">
        {props.label}
      </label>
      {props.children({ id, 'aria-describedby': hint })}
      <p id={hint} className="text-sm text-soft">
        {props.hint}
      </p>
    </div>
  )
}
