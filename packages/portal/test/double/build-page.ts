import { fileURLToPath } from 'node:url'
import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { build } from 'vite'

/** The package's folder, from `dist/test/double/`. */
const PACKAGE = new URL('../../../', import.meta.url)

/** Builds the page of the double into `dist/double` and gives that folder. */
export async function buildPage(): Promise<string> {
  const outDir = fileURLToPath(new URL('dist/double', PACKAGE))
  await build({
    configFile: false,
    logLevel: 'warn',
    root: fileURLToPath(new URL('test/double/page', PACKAGE)),
    publicDir: fileURLToPath(new URL('src/public', PACKAGE)),
    plugins: [react(), tailwindcss()],
    build: { outDir, emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  })
  return outDir
}

/** Folder for unpacked browsers and profiles. */
export const CACHE_DIR: string = fileURLToPath(new URL('../../.cache', PACKAGE))
export const PICTURES_DIR: string = fileURLToPath(new URL('../../docs/pictures', PACKAGE))
