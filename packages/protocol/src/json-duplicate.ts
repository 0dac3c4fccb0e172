/**
 * UTF-16 offset of the first name that repeats one of its own object, escapes decoded. Only for
 * a text that `JSON.parse` takes and that is known to hold one: it is the slow way, made for the
 * message of a refusal.
 */
export function findDuplicateName(text: string): number {
  const open: (Set<string> | undefined)[] = []
  for (let at = 0; at < text.length; at++) {
    const mark = text.charAt(at)
    if (mark === '{') open.push(new Set())
    else if (mark === '[') open.push(undefined)
    else if (mark === '}' || mark === ']') open.pop()
    else if (mark === '"') {
      const end = endOfString(text, at)
      if (isName(text, end) && repeats(open.at(-1), text.slice(at, end))) return at
      at = end - 1
    }
  }
  return 0
}

/** Offset after the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text.charAt(at) !== '"') at += text.charAt(at) === '\\' ? 2 : 1
  return at + 1
}

function isName(text: string, end: number): boolean {
  let at = end
  while (' \t\r\n'.includes(text.charAt(at)) && at < text.length) at++
  return text.charAt(at) === ':'
}

function repeats(seen: Set<string> | undefined, quoted: string): boolean {
  const name: unknown = JSON.parse(quoted)
  if (seen === undefined || typeof name !== 'string') return false
  if (seen.has(name)) return true
  seen.add(name)
  return false
}
