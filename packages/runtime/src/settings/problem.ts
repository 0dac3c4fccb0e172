export type SettingsReason =
  | 'file_too_large'
  | 'toml_syntax'
  | 'unknown_key'
  | 'unknown_variable'
  | 'wrong_value'
  | 'development_only'
  | 'contradiction'

/** One thing that is wrong, in a sentence for a person. Never holds a secret: settings have none. */
export interface SettingsProblem {
  readonly reason: SettingsReason
  /** The setting or variable, or the file. */
  readonly where: string
  readonly message: string
}
