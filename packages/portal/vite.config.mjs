import { fileURLToPath } from 'node:url'
import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

// oxlint-disable-next-line import/no-default-export -- Vite reads its configuration from there
export default defineConfig({
  root: here('./src'),
  publicDir: here('./src/public'),
  base: '/',
  plugins: [react(), tailwindcss()],
  build: {
    outDir: here('./dist/web'),
    emptyOutDir: true,
    rolldownOptions: { input: [here('./src/index.html'), here('./src/approve.html')] },
    // The content policy allows no inline script, style or data: font; everything is a file.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
})
