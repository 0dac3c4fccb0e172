import { BusFault, type BusLink, type RecordStore } from '@trustgw/runtime'
import { type ActionRecord, readActionRecord } from '../../src/action/action-record.ts'

export interface Life {
  dead: boolean
}

/** Who wants to know of stored states, and may hold them up. */
export interface Watch {
  readonly journal: string[]
  readonly onStore: (record: ActionRecord) => void | Promise<void>
  readonly afterStore: (record: ActionRecord) => void | Promise<void>
}

interface Watched {
  readonly life: Life
  readonly watch: Watch
}

/** The same link, telling each state when it is stored, and dead when its process is. */
export function watchedLink(link: BusLink, watched: Watched): BusLink {
  const { bus } = link
  const { life } = watched
  const alive = (): void => {
    if (life.dead) throw new BusFault('bus_closed', 'killed')
  }
  return {
    ...link,
    bus: {
      get status() {
        return bus.status
      },
      request: async (to, data, options) => {
        alive()
        return bus.request(to, data, options)
      },
      publish: (to, data) => bus.publish(to, data),
      respond: (to, options, handler) => bus.respond(to, options, handler),
      listen: (to, handler) => bus.listen(to, handler),
      onStatus: (handler) => bus.onStatus(handler),
      drain: () => bus.drain(),
    },
    publisher: (of) => {
      const publisher = link.publisher(of)
      return {
        publishStored: async (to, data, options) => {
          alive()
          return publisher.publishStored(to, data, options)
        },
      }
    },
    consumer: (of) => {
      const consumer = link.consumer(of)
      return {
        consume: (handler, concurrency) =>
          consumer.consume(
            (delivery) => (life.dead ? new Promise(() => undefined) : handler(delivery)),
            concurrency,
          ),
      }
    },
    records: (of) => watchedStore(link.records(of), alive, watched.watch),
  }
}

function watchedStore(store: RecordStore, alive: () => void, watch: Watch): RecordStore {
  const write = async <O extends { readonly ok: boolean }>(
    value: Uint8Array,
    task: () => Promise<O>,
  ): Promise<O> => {
    alive()
    const read = readActionRecord(value)
    if (read.ok) await watch.onStore(read.value)
    alive()
    const outcome = await task()
    if (!read.ok || !outcome.ok) return outcome
    watch.journal.push(`stored ${read.value.state.kind}`)
    await watch.afterStore(read.value)
    return outcome
  }
  return {
    get: async (key) => {
      alive()
      return store.get(key)
    },
    list: (prefix) => store.list(prefix),
    watch: (handler) => store.watch(handler),
    remove: async (key, revision) => {
      alive()
      return store.remove(key, revision)
    },
    create: (key, value) => write(value, () => store.create(key, value)),
    replace: (key, value, revision) => write(value, () => store.replace(key, value, revision)),
  }
}
