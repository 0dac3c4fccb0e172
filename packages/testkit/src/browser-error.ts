export type BrowserErrorCode =
  | 'chrome_path_unusable'
  | 'platform_unsupported'
  | 'cache_not_private'
  | 'archive_malformed'
  | 'library_missing'
  | 'sandbox_unavailable'
  | 'start_failed'

/** Why no browser could be opened; the message ends with what a person can do about it. */
export class BrowserError extends Error {
  override readonly name: string = 'BrowserError'
  readonly code: BrowserErrorCode

  constructor(code: BrowserErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
  }
}
