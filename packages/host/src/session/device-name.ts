const BROWSERS = [
  ['trustgw/', 'Terminal'],
  ['Edg', 'Edge'],
  ['Firefox/', 'Firefox'],
  ['FxiOS/', 'Firefox'],
  ['CriOS/', 'Chrome'],
  ['Chrome/', 'Chrome'],
  ['Safari/', 'Safari'],
] as const

const SYSTEMS = [
  ['iPhone', 'iPhone'],
  ['iPad', 'iPad'],
  ['Android', 'Android'],
  ['Windows', 'Windows'],
  ['Mac OS X', 'macOS'],
  ['CrOS', 'ChromeOS'],
  ['Linux', 'Linux'],
] as const

/**
 * A few coarse words of a User-Agent, to tell one's sessions apart. Words of this list only: what
 * the browser says of itself is a claim by a stranger and is neither stored nor shown.
 */
export function deviceName(userAgent: string | undefined): string {
  const within = (words: readonly (readonly [string, string])[]): string | undefined =>
    words.find(([mark]) => userAgent?.includes(mark) === true)?.[1]
  const browser = within(BROWSERS) ?? 'Unknown browser'
  const system = within(SYSTEMS)
  return system === undefined ? browser : `${browser} on ${system}`
}
