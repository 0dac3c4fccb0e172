import { canonicalize, type GrantedAction, grantedActionJson } from '@trustgw/protocol'
import type { CaseParts, Fate, HostileFile } from './vector-file.ts'

const VERSION = '"v":1'
const GRANTED_ACTION_BYTES = 524_288
const MEMBERS = ['v', 'grant', 'arguments', 'decision', 'decision_event', 'approvals']

/** The message around a good grant, as text and as bytes. */
export function messageCases(file: HostileFile, action: GrantedAction): void {
  const json = grantedActionJson(action)
  const text = canonicalize(json)
  const add = (name: string, parts: CaseParts, expected: Fate = 'message_malformed'): void =>
    file.add(name, expected, parts)
  const instead = (name: string, to: string, expected?: Fate): void =>
    add(name, { replace: { from: VERSION, to, times: 1 } }, expected)
  const whole = (name: string, bytes: string | Uint8Array, expected?: Fate): void =>
    add(name, { bytes: Buffer.from(bytes).toString('base64url') }, expected)
  file.group('message')
  for (const member of MEMBERS) {
    add(`${member} left out`, { without: [member] })
    add(`${member} is null`, { members: { [member]: null } })
    add(`${member} is a number`, { members: { [member]: 2 } })
    add(`${member} in a list`, { members: { [member]: [json[member] ?? null] } })
    const again = JSON.stringify(json[member])
    instead(`${member} twice`, `${VERSION},"${member}":${again}`)
  }
  for (const name of ['x', 'V', '__proto__', 'constructor', 'policy', 'key', 'grant ', '']) {
    instead(`a member "${name}" more`, `${VERSION},"${name}":1`)
  }
  for (const version of ['0', '"1"', 'true', '1.5', '-1', '-0', '1e400', '01', '+1', 'NaN']) {
    instead(`version ${version}`, `"v":${version}`)
  }
  instead('version 1.0, which is 1', '"v":1.0', 'admitted')
  instead('spaces', `"v" : 1`, 'admitted')
  instead('a comment', `${VERSION}/* */`)
  instead('a line of comment', `${VERSION}//\n`)
  instead('a lone surrogate in a name', `${VERSION},"\\ud800":1`)
  instead('a noncharacter in a name', `${VERSION},"\\ufffe":1`)
  instead('a name with an escape', '"\\u0076":1', 'admitted')
  instead('a name twice, once with an escape', `${VERSION},"\\u0076":1`)
  instead('50 lists in each other', `"v":${'['.repeat(50)}${']'.repeat(50)}`)
  add('100 000 lists, none closed', { replace: { from: VERSION, to: '[', times: 100_000 } })
  add('20 000 names of one object', {
    replace: { from: VERSION, to: `${VERSION},`, times: 20_000 },
  })
  const size = text.length
  add('as large as may be', { spaces: GRANTED_ACTION_BYTES - size }, 'admitted')
  add('a byte too large', { spaces: GRANTED_ACTION_BYTES - size + 1 })
  whole('nothing', '')
  whole('the grant alone', action.grant)
  whole('null', 'null')
  whole('a list of it', `[${text}]`)
  whole('a text of it', JSON.stringify(text))
  whole('a byte order mark', `\u{feff}${text}`)
  whole('UTF-16', Buffer.from(text, 'utf16le'))
  whole(
    'a byte that is not UTF-8',
    Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.of(0xff)]),
  )
  whole('a byte in an overlong form', Buffer.from(text.replace('"v"', '"\u00c1\u00b6"'), 'latin1'))
  whole('a nought behind it', `${text}\0`)
  whole('two of it', text + text)
  whole('without its end', text.slice(0, -1))
  whole('a comma at its end', `${text.slice(0, -1)},}`)
}

const ARGUMENTS_BYTES = 131_072

/** Arguments that are not the text that was granted. */
export function argumentCases(file: HostileFile, granted: string): void {
  file.group('arguments')
  const cases: readonly (readonly [string, Fate, string])[] = [
    ['nothing', 'arguments_malformed', ''],
    ['null', 'arguments_malformed', 'null'],
    ['a list', 'arguments_malformed', `[${granted}]`],
    ['a text', 'arguments_malformed', JSON.stringify(granted)],
    ['a name twice', 'arguments_malformed', granted.replace('{', '{"amount":"9999.00",')],
    [
      'a name twice, once with an escape',
      'arguments_malformed',
      granted.replace('{', '{"\\u0061mount":"9.00",'),
    ],
    ['a byte order mark', 'arguments_malformed', `\u{feff}${granted}`],
    ['a nought behind it', 'arguments_malformed', `${granted}\0`],
    ['something behind it', 'arguments_malformed', `${granted}{}`],
    ['-0', 'arguments_malformed', '{"amount":-0,"order_id":"ord_1001"}'],
    ['1e400', 'arguments_malformed', '{"amount":1e400,"order_id":"ord_1001"}'],
    ['2^53 + 1', 'arguments_malformed', '{"amount":9007199254740993,"order_id":"ord_1001"}'],
    ['a lone surrogate', 'arguments_malformed', '{"amount":"\\ud800","order_id":"ord_1001"}'],
    ['a noncharacter', 'arguments_malformed', '{"amount":"\\uffff","order_id":"ord_1001"}'],
    ['65 levels', 'arguments_malformed', `{"amount":${'['.repeat(64)}${']'.repeat(64)}}`],
    ['a space in front', 'arguments_not_canonical', ` ${granted}`],
    ['a line feed behind', 'arguments_not_canonical', `${granted}\n`],
    ['a space inside', 'arguments_not_canonical', granted.replace(':', ': ')],
    ['members in another order', 'arguments_not_canonical', reordered(granted)],
    [
      'a letter written with an escape',
      'arguments_not_canonical',
      granted.replace('ord_', '\\u006frd_'),
    ],
    [
      'a slash written with an escape',
      'arguments_not_canonical',
      granted.replace('ord_', 'ord\\/'),
    ],
    ['a number in a longer form', 'arguments_not_canonical', '{"amount":1.50}'],
    ['another amount', 'input_hash_differs', granted.replace('250.00', '9250.00')],
    ['a decimal place less', 'input_hash_differs', granted.replace('250.00', '250.0')],
    ['a number for the text', 'input_hash_differs', granted.replace('"250.00"', '250')],
    ['another order', 'input_hash_differs', granted.replace('1001', '1002')],
    ['a letter of another script', 'input_hash_differs', granted.replace('ord_', 'оrd_')],
    [
      'a letter in another normal form',
      'input_hash_differs',
      granted.replace('ord_', 'o\u0308rd_'),
    ],
    ['an unseen character', 'input_hash_differs', granted.replace('ord_', 'ord_\u{200b}')],
    ['a member less', 'input_hash_differs', '{"order_id":"ord_1001"}'],
    ['a member more', 'input_hash_differs', granted.replace('}', ',"to":"me"}')],
    ['a member __proto__', 'input_hash_differs', granted.replace('{', '{"__proto__":{},')],
    ['no member', 'input_hash_differs', '{}'],
  ]
  for (const [name, expected, text] of cases) {
    file.add(name, expected, { members: { arguments: text } })
  }
  const filled = (to: string, times: number): CaseParts => ({
    members: { arguments: '{"x":"#"}' },
    replace: { from: '#', to, times },
  })
  const room = ARGUMENTS_BYTES - '{"x":""}'.length
  file.add('as large as may be', 'input_hash_differs', filled('x', room))
  file.add('a byte too large', 'message_malformed', filled('x', room + 1))
  file.add(
    'too large in bytes, not in characters',
    'arguments_malformed',
    filled('ä', room / 2 + 1),
  )
}

function reordered(text: string): string {
  const [first = '', second = ''] = text.slice(1, -1).split(',')
  return `{${second},${first}}`
}
