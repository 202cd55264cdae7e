import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Builds the console into `dist/console` of the package; `api` serves that folder and answers `/api` itself. */
export default defineConfig({
  root: at('.'),
  plugins: [react()],
  build: {
    outDir: at('../dist/console'),
    emptyOutDir: true,
    target: 'es2022',
    sourcemap: false,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: { '/api': 'http://127.0.0.1:4173', '/v2': 'http://127.0.0.1:4173' } },
})
