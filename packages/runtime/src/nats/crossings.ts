/** What crosses the walls between accounts, in the words of the bus (spec/protocol.md §6). */

/** The account that holds the control plane's streams. */
export const DATA_ACCOUNT = 'DATA'

export interface ExportSpec {
  readonly kind: 'service' | 'stream'
  readonly subject: string
  readonly response?: 'Stream'
}

export interface ImportSpec {
  readonly kind: 'service' | 'stream'
  readonly from: string
  /** As imported: may be narrower than the export, as a tenant's own subjects are. */
  readonly subject: string
  /** The name inside the importing account, where it differs. */
  readonly local?: string
  readonly share?: boolean
}

/**
 * Where a stream of DATA republishes what it stored. The server never hands on to a stream import
 * what came in through a service import, and every writer comes in that way.
 */
export function liveSubject(subject: string): string {
  return `live.${subject.replace('$KV.', 'kv.')}`
}

type Tokens = Readonly<Record<string, string>>

/** A subject of ours with some tokens filled in; what is left open becomes `*`. */
export function subjectPattern(template: string, tokens: Tokens = {}): string {
  return template.replaceAll(/\{(\w+)\}/g, (_, name: string) => tokens[name] ?? '*')
}

export function service(subject: string): ExportSpec {
  return { kind: 'service', subject }
}

/** A request that brings several messages. */
function manyAnswers(subject: string): ExportSpec {
  return { kind: 'service', subject, response: 'Stream' }
}

export function stream(subject: string): ExportSpec {
  return { kind: 'stream', subject }
}

/** What a stream of DATA stored, as it happens, under the name that the writer used. */
export function live(subject: string): ImportSpec {
  let count = 0
  const local = subject.replaceAll(/(?<=\.)\*(?=\.|$)/g, () => {
    count += 1
    return `$${count}`
  })
  return { kind: 'stream', from: DATA_ACCOUNT, subject: liveSubject(subject), local }
}

export function serviceOf(from: string, subject: string): ImportSpec {
  return { kind: 'service', from, subject }
}

/** Reads of one bucket: its configuration, one value (from the leader, or direct), many values. */
export function bucketReads(bucket: string): readonly ExportSpec[] {
  return [
    service(`$JS.API.STREAM.INFO.KV_${bucket}`),
    service(`$JS.API.STREAM.MSG.GET.KV_${bucket}`),
    service(`$JS.API.DIRECT.GET.KV_${bucket}.>`),
    manyAnswers(`$JS.API.DIRECT.GET.KV_${bucket}`),
  ]
}

/** One stored event by sequence or by subject. */
export function streamReads(name: 'AUDIT' | 'UI'): readonly ExportSpec[] {
  return [
    service(`$JS.API.STREAM.MSG.GET.${name}`),
    service(`$JS.API.DIRECT.GET.${name}`),
    service(`$JS.API.DIRECT.GET.${name}.>`),
  ]
}

export function consumer(name: string, durable: string): readonly ExportSpec[] {
  return [
    service(`$JS.API.CONSUMER.INFO.${name}.${durable}`),
    manyAnswers(`$JS.API.CONSUMER.MSG.NEXT.${name}.${durable}`),
    service(`$JS.ACK.${name}.${durable}.>`),
  ]
}

/**
 * Imports what another account exports. Each account has a `$JS.API` of its own that wins over an
 * import of that name, so the other's appears under `prefix`.
 */
export function importer(from: string, prefix: string): (item: ExportSpec) => ImportSpec {
  return ({ kind, subject }) => ({
    kind,
    from,
    subject,
    ...(subject.startsWith('$JS.API.') && {
      local: `${prefix}${subject.slice('$JS.API'.length)}`,
    }),
  })
}
