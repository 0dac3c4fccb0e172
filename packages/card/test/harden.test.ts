import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type HardenedText, hardenText } from '../src/harden.ts'

const labels = (hard: HardenedText): readonly string[] =>
  hard.segments.flatMap((segment) => (segment.kind === 'mark' ? [segment.label] : []))

const ink = (hard: HardenedText): string =>
  hard.segments
    .map((segment) => {
      if (segment.kind === 'text') return segment.text
      if (segment.kind === 'break') return '\n'
      return String.fromCodePoint(Number.parseInt(segment.label.slice(2), 16))
    })
    .join('')

describe('hardened text', () => {
  it('marks a right-to-left override and its end', () => {
    const hard = hardenText('Invoice \u202E3811\u202C')
    assert.deepEqual(labels(hard), ['U+202E', 'U+202C'])
    assert.deepEqual(hard.segments[1], {
      kind: 'mark',
      label: 'U+202E',
      meaning: 'right-to-left override',
    })
  })

  it('marks every kind of character without ink of its own', () => {
    const hidden = [
      '\0',
      '\t',
      '\r',
      '\u001b',
      '\u0085',
      '\u00a0',
      '\u00ad',
      '\u034f',
      '\u061c',
      '\u115f',
      '\u1680',
      '\u180e',
      '\u200b',
      '\u200d',
      '\u2028',
      '\u2029',
      '\u202a',
      '\u2060',
      '\u2066',
      '\u2800',
      '\u3000',
      '\u3164',
      '\ufe0f',
      '\ufeff',
      '\uffa0',
      '\ue000',
      '\u{e0041}',
      '\u{e0100}',
    ]
    for (const character of hidden) {
      assert.equal(hardenText(`a${character}b`).marks, 1, character.codePointAt(0)?.toString(16))
    }
  })

  it('leaves letters, accents, digits, signs and emoji as they are', () => {
    for (const text of [
      'Zoë Müller',
      '北京',
      'שלום',
      'مرحبا',
      'a\u0301',
      '€ 12.50 <b>&amp;',
      '🙂',
    ]) {
      assert.deepEqual(hardenText(text).segments, [{ kind: 'text', text }])
    }
  })

  it('marks spaces at either end, but not at the fold of a longer text', () => {
    assert.deepEqual(labels(hardenText(' a b ')), ['U+0020', 'U+0020'])
    assert.equal(hardenText(' a b ', 'part').marks, 0)
  })

  it('keeps line breaks as breaks', () => {
    assert.deepEqual(hardenText('a\nb').segments, [
      { kind: 'text', text: 'a' },
      { kind: 'break' },
      { kind: 'text', text: 'b' },
    ])
  })

  it('marks combining characters beyond the second, which would draw over other lines', () => {
    assert.equal(hardenText(`a${'\u0301'.repeat(2)}`).marks, 0)
    assert.equal(hardenText(`a${'\u0301'.repeat(9)}`).marks, 7)
  })

  it('names scripts that share one word and not those of neighbouring words', () => {
    assert.deepEqual(hardenText('pay \u0410cme').mixedScripts, ['Latin', 'Cyrillic'])
    assert.deepEqual(hardenText('Acme и друзья').mixedScripts, [])
  })

  it('loses no character and invents none', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.equal(ink(hardenText(text)), text)
      }),
    )
  })
})
