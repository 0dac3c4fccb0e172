import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { before, test } from 'node:test'
import { clientConfigurations } from '../src/up/summary.ts'

// dist/test/ → packages/cli → the project's root
const GUIDE = new URL('../../../../docs/guides/clients.md', import.meta.url)
const MCP = 'http://127.0.0.1:3060/v1/mcp'
const KEY = 'tgk_…'

let guide: string
before(async () => {
  guide = await readFile(GUIDE, 'utf8')
})

/** The first code block of a section of the guide. */
function inGuide(section: string): string {
  const [, text = ''] = guide.split(`\n## ${section}\n`)
  const [, block] = /```\w+\n([\s\S]*?)```/.exec(text.split('\n## ')[0] ?? '') ?? []
  assert.ok(block !== undefined, `the guide has no block for ${section}`)
  return block
}

/** What the start prints below a client's name. */
function printed(client: string): string {
  const lines = clientConfigurations(MCP, KEY)
  const from = lines.findIndex((line) => line.startsWith(client))
  assert.ok(from >= 0, `the start prints nothing for ${client}`)
  const to = lines.indexOf('', from)
  return lines.slice(from + 1, to < 0 ? lines.length : to).join('\n')
}

test('the guide gives Claude Code the command that the start prints', () => {
  assert.equal(inGuide('Claude Code').trim(), printed('Claude Code').trim())
})

for (const client of ['Claude Desktop', 'Cursor', 'VS Code']) {
  test(`the guide gives ${client} the configuration that the start prints`, () => {
    assert.deepEqual(JSON.parse(inGuide(client)), JSON.parse(printed(client)))
  })
}

test('the start prints no configuration that the guide leaves out', () => {
  const lines = clientConfigurations(MCP, KEY)
  const titles = lines.filter((line, at) => line !== '' && (lines[at - 1] ?? '') === '')
  for (const title of titles) {
    const [client = ''] = title.split(' (')
    assert.ok(guide.includes(`\n## ${client}\n`), client)
  }
})
