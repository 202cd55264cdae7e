import { copyFileSync, cpSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { LIMITS } from '../../src/core/limits.ts'
import { disk } from '../../src/store/disk/disk.ts'
import { STORE_LIMITS } from '../../src/store/limits.ts'
import { batchBytes, lastBatchEnd, SEAL_BYTES, writeBatch } from '../../src/store/log/batch.ts'
import { openSegmentLog, repairSegmentLog } from '../../src/store/log/segments.ts'
import { all, temporaryFolder, withStore } from './fixture.ts'

const segmentOf = (dir: string) => join(dir, 'log/s/00000001.ndjson')
const recordsOf = async (log: ReturnType<typeof openSegmentLog>) =>
  (await all(log.read('s'))).flatMap(({ records }) => records)

describe('batches', () => {
  it('end where they are found from behind, whatever follows torn', () => {
    const record = fc.jsonValue({ maxDepth: 1 }).map((value) => JSON.stringify(value))
    const batches = fc.array(fc.array(record, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(batches, fc.double({ min: 0, max: 1, noNaN: true }), (groups, cut) => {
        const bytes = Buffer.alloc(groups.reduce((sum, records) => sum + batchBytes(records), 0))
        const ends = [0]
        for (const records of groups) ends.push(writeBatch(bytes, ends.at(-1)!, records))
        expect(ends.at(-1)).toBe(bytes.length)
        const kept = Math.floor(cut * bytes.length)
        expect(lastBatchEnd(bytes.subarray(0, kept)) ?? 0).toBe(ends.findLast((end) => end <= kept))
      }),
    )
  })

  it('are never taken for whole when a byte is changed', () => {
    const bytes = Buffer.alloc(batchBytes(['{"a":1}', '{"b":"ü"}']))
    writeBatch(bytes, 0, ['{"a":1}', '{"b":"ü"}'])
    for (let i = 0; i < bytes.length; i++) {
      const changed = Buffer.from(bytes)
      changed[i] ^= i >= bytes.length - 1 - SEAL_BYTES && i < bytes.length - 1 ? 32 ^ 9 : 1
      expect(lastBatchEnd(changed)).toBeUndefined()
    }
  })
})

describe('segments', () => {
  it('are newline-delimited JSON to DuckDB', () =>
    withStore(async (store) => {
      for (let i = 0; i < 5; i++)
        await store.log.append('a/b', [JSON.stringify({ i }), JSON.stringify({ i, text: 'ünï\\n' })])
      const [{ path }] = await store.log.seal('a/b')
      const instance = await DuckDBInstance.create()
      const connection = await instance.connect()
      const found = await connection.runAndReadAll(
        'select count(*)::int, sum(i)::int, count(text)::int from read_json($1, format = $2)',
        [path, 'newline_delimited'],
      )
      expect(found.getRows()).toEqual([[10, 20, 5]])
      connection.closeSync()
      instance.closeSync()
    }))

  it('lose a torn tail at the next open, wherever it was torn, and nothing else', async () => {
    await withStore(async (store, dir) => {
      const { offset } = await store.log.append('s', ['{"kept":1}', '{"kept":2}'])
      await store.log.append('s', ['{"torn":3}'])
      const size = statSync(segmentOf(dir)).size
      for (let cut = offset + 1; cut < size; cut += 7) {
        const { dir: copy, remove } = temporaryFolder()
        cpSync(join(dir, 'log'), join(copy, 'log'), {
          recursive: true,
          filter: (from) => !from.includes('lock'),
        })
        truncateSync(segmentOf(copy), cut)
        expect(await repairSegmentLog(join(copy, 'log'))).toMatchObject([
          {
            what: 'log-tail',
            path: segmentOf(copy),
            detail: `cut ${cut - offset} bytes of an append that was never acknowledged`,
          },
        ])
        const log = openSegmentLog(join(copy, 'log'))
        await log.append('s', ['{"new":4}'])
        expect(await recordsOf(log)).toEqual(['{"kept":1}', '{"kept":2}', '{"new":4}'])
        await log.close()
        remove()
      }
    })
  })

  it('cut a tail of zeros that a power failure left, after a tail too long for one look', async () => {
    await withStore(async (store, dir) => {
      await store.log.append('s', ['{"kept":1}'])
      const { dir: copy, remove } = temporaryFolder()
      cpSync(join(dir, 'log'), join(copy, 'log'), {
        recursive: true,
        filter: (from) => !from.includes('lock'),
      })
      writeFileSync(segmentOf(copy), Buffer.concat([readFileSync(segmentOf(dir)), Buffer.alloc(700_000)]))
      expect(await repairSegmentLog(join(copy, 'log'))).toHaveLength(1)
      const log = openSegmentLog(join(copy, 'log'))
      expect(await recordsOf(log)).toEqual(['{"kept":1}'])
      await log.close()
      remove()
    })
  })

  it('that are damaged in the middle are named, and acknowledged batches after it are kept', () =>
    withStore(async (store, dir) => {
      const first = await store.log.append('s', ['{"a":1}'])
      const second = await store.log.append('s', ['{"a":2}'])
      await store.log.append('s', ['{"a":3}'])
      const path = segmentOf(dir)
      const bytes = readFileSync(path)
      bytes[first.offset + 5] ^= 1
      writeFileSync(path, bytes)
      const error = await all(store.log.read('s', first)).catch((thrown) => thrown)
      expect(error).toMatchObject({ code: 'MR_LOG_DAMAGED', data: { path, offset: first.offset } })
      expect(await all(store.log.read('s', second))).toMatchObject([{ records: ['{"a":3}'] }])
    }))

  it('have one writer at a time, who is named; readers may be anywhere', () =>
    withStore(async (store, dir) => {
      await store.log.append('s', ['1'])
      const other = openSegmentLog(join(dir, 'log'), { ...LIMITS, logLockWaitMs: 20 })
      const error = await other.append('s', ['2']).catch((thrown) => thrown)
      expect(error).toMatchObject({ code: 'MR_LOG_WRITER', data: { stream: 's', pid: process.pid } })
      expect(await recordsOf(other)).toEqual(['1'])
      await other.append('t', ['3'])
      await store.log.close()
      await other.append('s', ['2'])
      expect(await recordsOf(other)).toEqual(['1', '2'])
      await other.close()
    }))

  it('share one wait for the disk among appends of one moment', () =>
    withStore(async (store) => {
      await store.log.append('s', ['0'])
      const sync = vi.spyOn(disk, 'sync')
      await Promise.all(Array.from({ length: 500 }, (_, i) => store.log.append('s', [String(i)])))
      expect(sync.mock.calls.length).toBeLessThanOrEqual(3)
      sync.mockRestore()
    }))

  it('refuse appends beyond what may wait, and take them later', () =>
    withStore(async (store) => {
      const record = JSON.stringify('x'.repeat(1_000_000))
      const block = Array.from({ length: 20 }, () => record)
      const appends = await Promise.allSettled(Array.from({ length: 5 }, () => store.log.append('s', block)))
      expect(appends.map(({ status }) => status)).toContain('rejected')
      const refused = appends.find((append) => append.status === 'rejected')
      expect(refused?.reason).toMatchObject({
        code: 'MR_LOG_BUSY',
        retryable: true,
        data: { max: STORE_LIMITS.logPendingBytesMax },
      })
      await store.log.append('s', ['1'])
      const fulfilled = appends.filter(({ status }) => status === 'fulfilled').length
      const lengths = (await all(store.log.read('s'))).map(({ records }) => records.length)
      expect(lengths.reduce((sum, n) => sum + n, 0)).toBe(fulfilled * 20 + 1)
    }))

  it('that were copied away stay readable', () =>
    withStore(async (store, dir) => {
      await store.log.append('s', ['1'])
      copyFileSync(segmentOf(dir), join(dir, 'log/s/00000002.ndjson'))
      expect(await recordsOf(store.log as ReturnType<typeof openSegmentLog>)).toEqual(['1', '1'])
    }))
})
