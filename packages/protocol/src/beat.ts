/** The sign of life that every admission needs (spec/protocol.md §4 "Beat"). */
import { countField, msField, nameField } from './fields.ts'
import { type JwsSigner, type JwsVerifier, signJws, verifyJws } from './jws.ts'
import { ok, type Result, refuse } from './result.ts'
import { mapShape, objectShape, oneOfShape, readShape, type Shape } from './shape.ts'

export const BEAT_TYP = 'beat+jwt'
export const BEAT_MAX_BYTES = 16_384
/** How often host and log say that they are there. */
export const BEAT_EVERY_MS = 500
/** How old the newest beat may be, and how far its time from the hearer's. */
export const BEAT_MAX_AGE_MS = 2_000
const TENANTS_MAX = 256
const TENANT_MAX_CHARS = 31

/** Who beats. Never the gateway: it is what a beat protects from. */
export const BEAT_COMPONENTS = ['host', 'log'] as const
export type BeatComponent = (typeof BEAT_COMPONENTS)[number]

export interface Beat {
  readonly v: 1
  readonly component: BeatComponent
  /** Several of one component may beat, each with a clock of its own. */
  readonly instance: string
  readonly at: number
  /** The newest key set that it knows. */
  readonly key_set_epoch: number
  /** How many freezes and thaws of each tenant it knows. */
  readonly freeze_count: { readonly [tenant: string]: number }
}

export const beatShape: Shape<Beat> = objectShape({
  v: oneOfShape(1),
  component: oneOfShape(...BEAT_COMPONENTS),
  instance: nameField,
  at: msField,
  key_set_epoch: countField,
  freeze_count: mapShape(countField, { max: TENANTS_MAX, nameMax: TENANT_MAX_CHARS }),
})

export function signBeat(
  beat: Beat,
  { kid, sign }: { readonly kid: string; readonly sign: JwsSigner },
): string {
  const payload = { ...beat, freeze_count: { ...beat.freeze_count } }
  return signJws({ typ: BEAT_TYP, kid, payload }, sign)
}

/** Reads a beat of one component, with the kid that signed it. NOT checked: its time. */
export function readBeat(
  token: string,
  component: BeatComponent,
  keyFor: (kid: string) => JwsVerifier | undefined,
): Result<{ readonly kid: string; readonly beat: Beat }, 'beat'> {
  const verified = verifyJws(token, { typ: BEAT_TYP, maxBytes: BEAT_MAX_BYTES, keyFor })
  if (!verified.ok) return refuse('beat', verified.reason)
  const read = readShape(beatShape, verified.value.payload)
  if (!read.ok) return refuse('beat', read.detail)
  if (read.value.component !== component) return refuse('beat', 'component')
  return ok({ kid: verified.value.kid, beat: read.value })
}
