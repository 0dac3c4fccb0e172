export type ShopErrorCode =
  | 'bad_key'
  | 'key_file_exposed'
  | 'ledger_corrupt'
  | 'ledger_closed'
  | 'ledger_failed'
  | 'state_in_use'

/** A fault of the shop or of its set-up. The message never holds the key. */
export class ShopError extends Error {
  override readonly name: string = 'ShopError'
  readonly code: ShopErrorCode

  constructor(code: ShopErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}
