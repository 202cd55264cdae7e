/** What the folders of a file's name say: `year=2001/month=3/part.parquet` has a year and a month, as Hive and Spark write them. */
import { digestOf } from '../core/digest.ts'
import type { Digest } from '../core/records.ts'

const FOLDER = /^([^=/]+)=([^/]*)$/
/** How writers name the folder of rows without a value. */
const NOTHING = '__HIVE_DEFAULT_PARTITION__'

/** Values of columns by the folders of a name, outermost first. */
export function partitionsOf(name: string): Map<string, string | null> {
  const found = new Map<string, string | null>()
  for (const part of name.split('/').slice(0, -1)) {
    const [, column, value] = FOLDER.exec(part) ?? []
    if (column !== undefined)
      found.set(decoded(column), value === NOTHING || value === '' ? null : decoded(value!))
  }
  return found
}

/** The end of a path that begins with its first folder of that kind; the name of the file alone where there is none. */
export function partitionedName(path: string): string {
  const parts = path.split(/[\\/]/)
  const first = parts.slice(0, -1).findIndex((part) => FOLDER.test(part))
  return parts.slice(first < 0 ? -1 : first).join('/')
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Names what a file delivers: its bytes, and the values that its folders give its rows. Files of one content in two such folders are two. */
export function contentOf({ digest, name }: { digest: Digest; name: string }): Digest {
  const folders = [...partitionsOf(name)]
  return folders.length === 0 ? digest : digestOf({ digest, folders })
}
