import { ago, operationNoun, stateView } from '@trustgw/card'
import { ACTION_STATES, type ActionEvent } from '@trustgw/protocol'
import { type ReactElement, useState } from 'react'
import { useNow, usePortal, usePortalState } from '../app/context.ts'
import { NavLink } from '../app/nav-link.tsx'
import { type EventFilter, filterEvents, NO_FILTER } from '../logic/feed.ts'
import { Hardened } from '../ui/hardened.tsx'
import { HeldChip } from '../ui/held.tsx'
import { LongList } from '../ui/long-list.tsx'
import { Blank, Waiting } from '../ui/notice.tsx'
import { StateChip } from '../ui/state-chip.tsx'

/** Height of a row in most cases. */
const ROW_PX = 72

/** All actions as they happen, newest first. */
export function ActivityPage(): ReactElement {
  const { feed, loaded } = usePortalState()
  const [filter, setFilter] = useState<EventFilter>(NO_FILTER)
  const events = filterEvents(feed, filter)
  const all = [...feed.events.values()]
  if (loaded === 'no') return <Waiting text="Fetching what happened…" page="Activity" />
  return (
    <div className="px-4 py-6 lg:px-8 lg:py-8">
      <h1 className="text-2xl font-semibold tracking-tight">Activity</h1>
      <div
        role="group"
        aria-label="Filter"
        className="mt-4 grid grid-cols-3 gap-2 sm:gap-3 lg:max-w-3xl"
      >
        <Choice
          label="State"
          value={filter.state}
          options={ACTION_STATES.filter((state) => all.some((event) => event.state === state)).map(
            (state) => [state, stateView(state).label] as const,
          )}
          onChange={(state) => setFilter({ ...filter, state })}
        />
        <Choice
          label="Agent"
          value={filter.agent}
          options={distinct(all.map(({ agent }) => agent))}
          onChange={(agent) => setFilter({ ...filter, agent })}
        />
        <Choice
          label="Tool"
          value={filter.tool}
          options={distinct(all.map(({ tool_id }) => tool_id))}
          onChange={(tool) => setFilter({ ...filter, tool })}
        />
      </div>
      {events.length === 0 ? (
        <Blank title={all.length === 0 ? 'Nothing has happened yet' : 'Nothing fits this filter'}>
          {all.length === 0 ? (
            <p>Everything that an agent proposes appears here, whatever becomes of it.</p>
          ) : (
            <button type="button" className="link" onClick={() => setFilter(NO_FILTER)}>
              Show all
            </button>
          )}
        </Blank>
      ) : (
        <EventList events={events} />
      )}
      {feed.from === 0 ? null : (
        <p className="mt-4 text-sm text-soft">
          Actions that changed last before these were not loaded.
        </p>
      )}
    </div>
  )
}

function distinct(values: readonly string[]): readonly (readonly [string, string])[] {
  return [...new Set(values)].sort().map((value) => [value, value] as const)
}

function Choice(props: {
  readonly label: string
  readonly value: string
  readonly options: readonly (readonly [string, string])[]
  readonly onChange: (value: string) => void
}): ReactElement {
  return (
    <label className="flex min-w-0 flex-col gap-1">
      <span className="label">{props.label}</span>
      <select
        className="field"
        value={props.value}
        onChange={(event) => props.onChange(event.target.value)}
      >
        <option value="">All</option>
        {props.options.map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </select>
    </label>
  )
}

function EventList({ events }: { readonly events: readonly ActionEvent[] }): ReactElement {
  const now = useNow(usePortal().serverNow, 5_000)
  return (
    <div className="mt-6 border-t border-line">
      <LongList
        items={events}
        idOf={({ action_id }) => action_id}
        row={(event) => <EventRow event={event} now={now} />}
        rowPx={ROW_PX}
        rowClass="grid grid-cols-[minmax(0,1fr)_auto] items-baseline gap-x-5 gap-y-1 border-b border-line py-3 lg:grid-cols-[11rem_minmax(0,1.3fr)_minmax(0,1fr)_9rem_5.5rem]"
      />
    </div>
  )
}

function EventRow({
  event,
  now,
}: {
  readonly event: ActionEvent
  readonly now: number
}): ReactElement {
  return (
    <>
      <span className="max-lg:col-start-2 max-lg:row-start-1 max-lg:justify-self-end">
        <span className="flex flex-wrap gap-1 max-lg:flex-col max-lg:items-end">
          <StateChip state={event.state} />
          <HeldChip event={event} />
        </span>
      </span>
      <span className="min-w-0 max-lg:row-start-1">
        <EventTitle event={event} />
      </span>
      <span className="min-w-0 truncate text-soft">
        <Hardened text={event.agent} />
        {event.on_behalf_of === null ? null : (
          <>
            {' for '}
            <Hardened text={event.on_behalf_of} />
          </>
        )}
      </span>
      <span className="text-right font-semibold whitespace-nowrap max-lg:hidden">
        {event.amount ?? ''}
      </span>
      <time
        dateTime={new Date(event.at).toISOString()}
        title={new Date(event.at).toLocaleString()}
        className="text-right text-sm whitespace-nowrap text-soft"
      >
        {ago(event.at, now)}
      </time>
      {event.reason === '' ? null : (
        <span className="col-span-full text-sm text-soft lg:col-start-2">
          <Hardened text={event.reason} />
        </span>
      )}
    </>
  )
}

function EventTitle({ event }: { readonly event: ActionEvent }): ReactElement {
  const title = (
    <span className="data font-semibold">
      <Hardened text={event.tool_id} />
    </span>
  )
  return (
    <span className="flex flex-wrap items-baseline gap-x-2">
      {event.state === 'pending_approval' ? (
        <NavLink className="link" to={`/approvals/${event.action_id}`}>
          {title}
        </NavLink>
      ) : (
        title
      )}
      <span className="text-sm text-soft">{operationNoun(event.operation)}</span>
      <span className="font-semibold lg:hidden">{event.amount ?? ''}</span>
    </span>
  )
}
