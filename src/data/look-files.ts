/** Files for a look at them: those that are here as they lie, what is behind an address in the folder of the look. */
import { randomUUID } from 'node:crypto'
import { basename, join } from 'node:path'
import type { ReadDef } from '../define/types.ts'
import { isCroissant, isPostgres, isUrl, shownUrl } from './addresses.ts'
import { downloadSource } from './fetched.ts'
import { partitionedName } from './partition-names.ts'
import { isS3Pattern, s3Objects } from './s3-objects.ts'
import { lookAt } from './sources.ts'
import type { ChildFile } from './types.ts'

/** Errors: as reading for an import. */
export async function lookFiles(
  sources: readonly string[],
  read: Partial<ReadDef>,
  folder: string,
  signal?: AbortSignal,
): Promise<ChildFile[]> {
  const files: ChildFile[] = []
  for (const source of sources)
    if (isCroissant(source)) files.push(...(await ofCroissant(source, read, folder, signal)))
    else if (isS3Pattern(source))
      for (const { url, name } of await s3Objects(source, signal))
        files.push(await fetched(url, name, read, folder, signal))
    else
      files.push(
        isPostgres(source)
          ? await rowsAt(source, read, folder, signal)
          : isUrl(source)
            ? await fetched(source, shownUrl(source), read, folder, signal)
            : {
                path: source,
                name: partitionedName(source),
                ...(await lookAt(source, basename(source), read.format)),
              },
      )
  return files
}

async function rowsAt(
  address: string,
  read: Partial<ReadDef>,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<ChildFile> {
  const path = join(folder, `rows-${randomUUID()}`)
  const { readPostgres } = await import('./postgres/read.ts')
  const { name } = await readPostgres(address, read, path, { signal })
  return { path, name, format: 'postgres', gzip: false }
}

async function ofCroissant(
  source: string,
  read: Partial<ReadDef>,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<ChildFile[]> {
  const { croissantParts } = await import('./croissant/source.ts')
  const bring = async (url: string) => {
    const path = join(folder, `fetched-${randomUUID()}`)
    await downloadSource(url, path, { signal })
    return path
  }
  const files: ChildFile[] = []
  for (const { path, name, format, view } of await croissantParts(source, {
    folder: process.cwd(),
    scratch: folder,
    bring,
  }))
    files.push({ path, name, view, ...(await lookAt(path, name, read.format ?? format)) })
  return files
}

async function fetched(
  url: string,
  name: string,
  read: Partial<ReadDef>,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<ChildFile> {
  const path = join(folder, `fetched-${randomUUID()}`)
  await downloadSource(url, path, { signal, columns: read.columns })
  return { path, name, ...(await lookAt(path, name, read.format)) }
}
