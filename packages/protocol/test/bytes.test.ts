import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  base64urlDecode,
  base64urlEncode,
  constantTimeEqual,
  hexDecode,
  hexEncode,
  isWellFormed,
  utf8Decode,
  utf8Encode,
  utf8Length,
} from '@trustgw/protocol'
import fc from 'fast-check'

const bytes = fc.uint8Array({ maxLength: 80 })

describe('UTF-8', () => {
  test('texts are encoded as Node encodes them, and decoded back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.deepEqual(Buffer.from(utf8Encode(text)), Buffer.from(text))
        assert.equal(utf8Length(text), Buffer.byteLength(text))
        assert.deepEqual(utf8Decode(utf8Encode(text)), { ok: true, value: text })
      }),
    )
  })

  test('every byte string is judged as a fatal TextDecoder judges it', () => {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    const near = fc
      .tuple(fc.string({ unit: 'binary' }), fc.nat(), fc.nat(255))
      .map(([text, at, byte]) => {
        const encoded = new Uint8Array(Buffer.from(text))
        if (encoded.length > 0) encoded[at % encoded.length] = byte
        return encoded
      })
    fc.assert(
      fc.property(fc.oneof(bytes, near), (given) => {
        const decoded = utf8Decode(given)
        if (decoded.ok) assert.equal(decoded.value, decoder.decode(given))
        else assert.throws(() => decoder.decode(given))
      }),
      { numRuns: 3000 },
    )
  })

  test('surrogates, overlong forms, cut sequences and points too high have an offset', () => {
    for (const hex of [
      'eda080',
      'edbfbf',
      'c080',
      'e08080',
      'f0808080',
      'c3',
      'e282',
      'f4908080',
    ]) {
      assert.deepEqual(utf8Decode(Buffer.from(`6161${hex}`, 'hex')), { ok: false, at: 2 }, hex)
    }
  })

  test('a long text of every size class survives', () => {
    const text = 'aé€😀'.repeat(5000)
    assert.deepEqual(utf8Decode(utf8Encode(text)), { ok: true, value: text })
  })

  test('a lone surrogate has no UTF-8 form', () => {
    for (const text of ['\ud800', 'a\udc00', '\ude00\ud83d']) {
      assert.equal(isWellFormed(text), false)
      assert.throws(() => utf8Encode(text), { code: 'text_not_well_formed' })
    }
    assert.equal(isWellFormed('a😀'), true)
  })
})

describe('base64url', () => {
  test('bytes are written as Node writes them, and read back', () => {
    fc.assert(
      fc.property(bytes, (given) => {
        const text = base64urlEncode(given)
        assert.equal(text, Buffer.from(given).toString('base64url'))
        assert.deepEqual(base64urlDecode(text), given)
      }),
    )
  })

  test('every accepted text is the one that its bytes are written as', () => {
    const alphabet = Array.from('ABCDxyz0189-_+/= \n.é')
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 12 }), (text) => {
        const decoded = base64urlDecode(text)
        if (decoded !== undefined) assert.equal(base64urlEncode(decoded), text)
      }),
      { numRuns: 5000 },
    )
  })

  test('a changed character never gives the same bytes', () => {
    fc.assert(
      fc.property(
        bytes,
        fc.nat(),
        fc.constantFrom(...Array.from('AZaz09-_+/= ')),
        (given, at, unit) => {
          const text = base64urlEncode(given)
          const index = text.length === 0 ? 0 : at % text.length
          const changed = text.slice(0, index) + unit + text.slice(index + 1)
          if (changed === text) return
          assert.notDeepEqual(base64urlDecode(changed), given)
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('padding, whitespace, plain base64, bad lengths and trailing bits are refused', () => {
    for (const text of [
      'AA==',
      'AA=',
      'A',
      'AAAAA',
      'AB',
      'AAB',
      'A A',
      'AA\n',
      '+/AA',
      'AA.A',
      'ÁA',
    ]) {
      assert.equal(base64urlDecode(text), undefined, text)
    }
    assert.deepEqual(base64urlDecode(''), new Uint8Array(0))
  })
})

describe('hexadecimal', () => {
  test('bytes are written in lower case and read back', () => {
    fc.assert(
      fc.property(bytes, (given) => {
        assert.equal(hexEncode(given), Buffer.from(given).toString('hex'))
        assert.deepEqual(hexDecode(hexEncode(given)), given)
      }),
    )
  })

  test('upper case, odd lengths and other characters are refused', () => {
    for (const text of ['A0', 'a', 'g0', '0x', ' 0', '0\n'])
      assert.equal(hexDecode(text), undefined)
  })
})

describe('constantTimeEqual', () => {
  test('agrees with equality', () => {
    fc.assert(
      fc.property(bytes, bytes, fc.string(), fc.string(), (a, b, s, t) => {
        assert.equal(constantTimeEqual(a, b), Buffer.compare(a, b) === 0)
        assert.equal(constantTimeEqual(a, Uint8Array.from(a)), true)
        assert.equal(constantTimeEqual(s, t), s === t)
        assert.equal(constantTimeEqual(s, Array.from(s).join('')), true)
      }),
    )
  })

  test('a difference in any one place counts, and a text equals no bytes', () => {
    const text = 'abcdefgh'
    for (let i = 0; i < text.length; i++) {
      assert.equal(constantTimeEqual(text, `${text.slice(0, i)}X${text.slice(i + 1)}`), false)
    }
    assert.equal(constantTimeEqual('', new Uint8Array(0)), false)
    assert.equal(constantTimeEqual('\u0101', '\u0001'), false)
  })
})
