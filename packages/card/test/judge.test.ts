import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseCurrency, parseMinorAmount } from '@trustgw/protocol'
import { amountWords, minorWords } from '../src/amount-words.ts'
import { argumentRows } from '../src/arguments.ts'
import { disguiseOf, looksLike } from '../src/confusable.ts'
import { type JudgedValue, judgeValue } from '../src/judge-value.ts'

function judged(text: string | number): JudgedValue {
  const [row] = argumentRows(text)
  assert.ok(row !== undefined)
  return judgeValue(row)
}

function alarms(text: string): string {
  return judged(text)
    .findings.filter(({ tone }) => tone === 'alarm')
    .map((one) => one.text)
    .join(' | ')
}

function words(minor: string, code: string): string {
  const currency = parseCurrency(code)
  assert.ok(currency.ok)
  const money = parseMinorAmount(minor, currency.value)
  assert.ok(money.ok)
  return `${amountWords(money.value)}; ${minorWords(money.value)}`
}

describe('an amount in words', () => {
  it('is exact with no, two and three decimals', () => {
    assert.equal(words('25000', 'EUR'), 'two hundred and fifty euros; 25,000 × 1/100 EUR')
    assert.equal(
      words('25050', 'EUR'),
      'two hundred and fifty euros and 50/100; 25,050 × 1/100 EUR',
    )
    assert.equal(words('100', 'EUR'), 'one euro; 100 × 1/100 EUR')
    assert.equal(words('5000', 'JPY'), 'five thousand Japanese yen; 5,000 JPY')
    assert.equal(words('1005', 'KWD'), 'one Kuwaiti dinar and 005/1000; 1,005 × 1/1000 KWD')
    assert.match(words('999999999999999999', 'EUR'), /^nine quadrillion .* and 99\/100;/)
  })
})

describe('a URL', () => {
  it('is shown by the host that it leads to, whatever stands before it', () => {
    const url = judged('https://paypal.com@evil.example/pay')
    assert.deepEqual([url.kind, url.host], ['url', 'evil.example'])
    assert.match(alarms('https://paypal.com@evil.example/pay'), /user name/)
    assert.equal(judged('https:/\\paypal.com\\@evil.example').host, 'paypal.com')
    assert.match(alarms('https:/\\paypal.com\\@evil.example'), /otherwise than it is written/)
  })

  it('is named in ASCII where its host is in another alphabet', () => {
    const url = judged('https://аррӏе.com/login')
    assert.equal(url.host, 'xn--80ak6aa92e.com')
    assert.match(alarms('https://аррӏе.com/login'), /xn--80ak6aa92e\.com/)
  })

  it('is loud for addresses of the machine, of the network and of a cloud', () => {
    assert.match(alarms('http://2130706433/'), /this computer itself.*written as “2130706433”/)
    assert.match(alarms('http://169.254.169.254/latest'), /metadata service/)
    assert.match(alarms('http://[::1]:8080/'), /this computer itself/)
    assert.match(alarms('http://0x7f.1/'), /this computer itself/)
    assert.match(alarms('javascript:alert(1)'), /code or data/)
    assert.equal(alarms('https://shop.example/orders/1'), '')
  })

  it('is found inside a longer text by its host', () => {
    const text = 'Pay [here](https://evil.example/x) or https://shop.example today'
    assert.match(judged(text).findings[0]?.text ?? '', /lead to evil\.example, shop\.example/)
  })
})

describe('an e-mail address', () => {
  it('is shown by its real domain', () => {
    assert.equal(judged('ann@shop.example').host, 'shop.example')
    assert.equal(judged('"ceo@bank.example"@evil.example').host, 'evil.example')
    assert.match(alarms('"ceo@bank.example"@evil.example'), /2 @ signs.*quotes/)
    assert.equal(judged('Bank <ceo@bank.example>').host, 'bank.example')
    assert.equal(judged('ann@аррӏе.com').host, 'xn--80ak6aa92e.com')
  })
})

describe('other forms', () => {
  const first = (text: string): string => judged(text).findings[0]?.text ?? ''
  it('are said in words: accounts, times, code, numbers', () => {
    assert.match(first('DE89 3704 0044 0532 0130 00'), /Germany; its check digits are right/)
    assert.match(alarms('DE88 3704 0044 0532 0130 00'), /check digits are wrong/)
    assert.equal(first('2026-06-01'), 'Monday, 1 June 2026')
    assert.match(first('2026-06-01T14:00:00+02:00'), /UTC\+02:00; that is .*12:00:00 UTC/)
    assert.match(first('2026-06-01T14:00'), /no time zone said/)
    assert.match(first('ab'.repeat(32)), /Hex code of 32 bytes, as long as a SHA-256 hash/)
    assert.match(first(`Ab1${'c'.repeat(61)}`), /Base64 code of 48 bytes/)
    assert.match(judged(1e300).findings[0]?.text ?? '', /301 digits/)
    assert.match(judged(12_345_678).findings[0]?.text ?? '', /12,345,678/)
  })
})

describe('look-alikes', () => {
  it('are seen over one alphabet, over several, and in ASCII', () => {
    assert.ok(looksLike('аррӏе', 'apple'))
    assert.ok(looksLike('Acme Supplies', 'Аcme Supplies'))
    assert.ok(looksLike('acme-supp1ies', 'acme-supplies'))
    assert.ok(looksLike('ｐａｙｐａｌ', 'paypal'))
    assert.ok(looksLike('pay\u200Bpal', 'paypal'))
    assert.equal(looksLike('Acme', 'acme'), false, 'another case is no disguise')
    assert.equal(looksLike('acme', 'acne'), false)
  })

  it('are told from plain text of another alphabet', () => {
    assert.deepEqual(disguiseOf('аррӏе'), { kind: 'alphabet', script: 'Cyrillic', reads: 'apple' })
    assert.equal(disguiseOf('Возврат за заказ'), undefined)
    assert.equal(disguiseOf('Ελληνικά'), undefined)
    assert.deepEqual(disguiseOf('𝐚𝐜𝐦𝐞'), { kind: 'style', reads: 'acme' })
    assert.deepEqual(disguiseOf('٢٥٠'), { kind: 'digits', reads: '250' })
    assert.equal(disguiseOf('Müller'), undefined)
  })
})
