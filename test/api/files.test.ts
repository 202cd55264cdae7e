import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { fileSetsView, fileSetView, filesDiffView } from '../../src/api/views/index.ts'
import { withFiles } from '../data/files/fixture.ts'

const bytesOf = (name: string) => readFileSync(new URL(`../reference/checkpoint/${name}`, import.meta.url))
const codeOf = (asked: Promise<unknown>) => asked.then(() => 'fine').catch(({ code }) => code)

it('sets of files have pages: what is there, what came before, and what two versions differ in to the tensor', () =>
  withFiles(async ({ store, write, add }) => {
    expect(await fileSetsView(store)).toEqual([])
    write('net/m.safetensors', bytesOf('base.safetensors'))
    write('net/readme.md', 'one')
    write('old.txt', 'goes')
    await add()
    write('net/m.safetensors', bytesOf('a.safetensors'))
    write('new.txt', 'came')
    await add()
    expect(await fileSetsView(store)).toMatchObject([{ set: 'set', branch: 'main', files: 4 }])
    const page = await fileSetView(store, 'set')
    expect(page.entries).toMatchObject([
      { name: 'net', isFolder: true, files: 2 },
      { name: 'new.txt', isFolder: false, files: 1, bytes: 4 },
      { name: 'old.txt', isFolder: false },
    ])
    expect(page.log.map(({ digest }) => digest)).toHaveLength(2)
    const [to, from] = page.log.map(({ digest }) => digest) as [string, string]
    const diff = await filesDiffView(store, 'set', from, to)
    expect(diff).toMatchObject({
      added: [{ path: 'new.txt', bytes: 4 }],
      changed: [{ path: 'net/m.safetensors' }],
      counts: { added: 1, removed: 0, changed: 1, moved: 0, same: 2 },
    })
    const expected = JSON.parse(String(bytesOf('expected.json'))) as {
      diff: Record<string, { norm: number }>
    }
    const [model] = diff.models
    expect(model!.changed.map(({ name }) => name).sort()).toEqual(Object.keys(expected.diff).sort())
    for (const { name, norm } of model!.changed)
      expect(Math.abs(norm! - expected.diff[name]!.norm)).toBeLessThanOrEqual(
        1e-12 * expected.diff[name]!.norm,
      )
    expect(await codeOf(fileSetView(store, 'nothing'))).toBe('MR_FILES_VERSION')
    expect(await codeOf(filesDiffView(store, 'other', from, to))).toBe('MR_API_RECORD_UNKNOWN')
  }))
