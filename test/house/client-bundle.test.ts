/** `millrace/client` runs in browsers: bundled for one, it needs nothing of Node, and stays small. */
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'
import { expect, test } from 'vitest'

const entry = fileURLToPath(new URL('../../src/client/index.ts', import.meta.url))

/** Bytes in gzip: a client is loaded by pages that wait for it. */
const GZIP_BYTES_MAX = 5_000

test('the client is bundled for browsers without anything of Node, in a few kilobytes', async () => {
  const built = await build({
    configFile: false,
    logLevel: 'silent',
    root: fileURLToPath(new URL('.', import.meta.url)),
    build: {
      write: false,
      minify: true,
      target: 'es2022',
      lib: { entry, formats: ['es'], fileName: 'client' },
    },
  })
  const [{ output }] = built as unknown as {
    output: { code: string; imports: string[]; dynamicImports: string[] }[]
  }[]
  expect(output).toHaveLength(1)
  const [{ code, imports, dynamicImports }] = output
  expect([...imports, ...dynamicImports]).toEqual([])
  expect(code).not.toMatch(/node:|\bprocess\.|\bBuffer\b|\brequire\(/)
  const bytes = gzipSync(code).length
  console.log(`millrace/client: ${bytes} bytes in gzip, ${code.length} before`)
  expect(bytes).toBeLessThan(GZIP_BYTES_MAX)
})
