// Draws the icons of the home screen from `mark.svg`: `node packages/portal/dist/test/double/icons.js`.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openBrowser } from '@trustgw/testkit'
import { CACHE_DIR } from './build-page.ts'

const PUBLIC = fileURLToPath(new URL('../../../src/public', import.meta.url))
/** Part of the side that the mark takes; a mask cuts a fifth away. */
const ICONS = [
  { name: 'icon-192', size: 192, part: 1, ground: 'transparent' },
  { name: 'icon-512', size: 512, part: 1, ground: 'transparent' },
  { name: 'icon-maskable-512', size: 512, part: 0.72, ground: '#0c5c56' },
] as const

const mark = await readFile(join(PUBLIC, 'mark.svg'), 'utf8')
const { browser, close } = await openBrowser({ cacheDir: CACHE_DIR })
for (const { name, size, part, ground } of ICONS) {
  const page = await browser.newPage({ viewport: { width: size, height: size } })
  await page.setContent(
    `<body style="margin:0;background:${ground};display:grid;place-items:center;height:100vh">
      <div style="width:${part * 100}vw;height:${part * 100}vw">${mark}</div>`,
  )
  await writeFile(join(PUBLIC, `${name}.png`), await page.screenshot({ omitBackground: true }))
  await page.close()
}
await close()
