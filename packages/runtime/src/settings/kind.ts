/** What a setting's text means. Durations are milliseconds once read. */
export type SettingKind =
  | 'choice'
  | 'text'
  | 'path'
  | 'slug'
  | 'port'
  | 'listen'
  | 'url'
  | 'origins'
  | 'hosts'
  | 'duration'
  | 'sync'
  | 'bytes'
  | 'count'
  | 'flag'

/** One setting, as the table gives it. The parser, the types and the reference derive from it. */
export interface SettingDefinition {
  readonly kind: SettingKind
  /** As written in `trustgw.toml`; an empty text is derived or means "not given". */
  readonly default: string | number | boolean
  /** Where development differs. */
  readonly development?: string | number | boolean
  readonly env: string
  readonly usedBy: string
  readonly text: string
  readonly choices?: readonly string[]
  /** Inclusive; milliseconds, bytes or how many. */
  readonly min?: number
  readonly max?: number
  /** Production refuses to start when it is set to anything but its default. */
  readonly developmentOnly?: boolean
}

export interface Listen {
  readonly host: string
  readonly port: number
}

export interface ValueOfKind {
  readonly choice: string
  readonly text: string
  readonly path: string
  readonly slug: string
  readonly port: number
  readonly listen: Listen
  readonly url: string
  readonly origins: readonly string[]
  readonly hosts: readonly string[]
  readonly duration: number
  readonly sync: string
  readonly bytes: number
  readonly count: number
  readonly flag: boolean
}

export type SettingValue = ValueOfKind[SettingKind]
