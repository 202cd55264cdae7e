/** The restaurants of `../shared/data/restaurants-rcdata`, read from their zip: who rated which restaurant how, with what is known of both. */
import { existsSync, readFileSync } from 'node:fs'
import { inflateRawSync } from 'node:zlib'

const ZIP = new URL(
  '../../../../shared/data/restaurants-rcdata/restaurant-data-with-consumer-ratings.zip',
  import.meta.url,
)
export const missing = existsSync(ZIP) ? null : 'no ../shared/data/restaurants-rcdata'

/** A file of a zip archive, by its central directory (APPNOTE 4.3.12). */
function unzip(archive: Buffer, wanted: string): string {
  const end = archive.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
  let at = archive.readUInt32LE(end + 16)
  for (let k = archive.readUInt16LE(end + 10); k > 0; k--) {
    const [method, size] = [archive.readUInt16LE(at + 10), archive.readUInt32LE(at + 20)]
    const lengths = [28, 30, 32].map((field) => archive.readUInt16LE(at + field))
    const name = archive.toString('latin1', at + 46, at + 46 + lengths[0])
    if (name === wanted) {
      const local = archive.readUInt32LE(at + 42)
      const from = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28)
      const body = archive.subarray(from, from + size)
      return (method === 0 ? body : inflateRawSync(body)).toString('latin1')
    }
    at += 46 + lengths[0] + lengths[1] + lengths[2]
  }
  throw new Error(`no ${wanted} in the archive`)
}

type Row = Record<string, string>

function table(archive: Buffer, name: string): Row[] {
  const [head, ...lines] = unzip(archive, name).trim().split(/\r?\n/)
  const columns = head.split(',')
  return lines.map((line) => Object.fromEntries(line.split(',').map((cell, j) => [columns[j], cell])))
}

const OF_USER = ['smoker', 'drink_level', 'ambience', 'transport', 'hijos', 'interest', 'activity', 'budget']
const OF_PLACE = ['alcohol', 'smoking_area', 'dress_code', 'accessibility', 'price', 'franchise', 'area']

export interface Ratings {
  names: string[]
  /** Codes of categories, by feature. */
  columns: Float64Array[]
  rating: Float64Array
}

export function readRatings(): Ratings {
  const archive = readFileSync(ZIP)
  const byKey = (rows: Row[], key: string) => new Map(rows.map((row) => [row[key], row]))
  const users = byKey(table(archive, 'userprofile.csv'), 'userID')
  const places = byKey(table(archive, 'geoplaces2.csv'), 'placeID')
  const cuisines = byKey(table(archive, 'chefmozcuisine.csv'), 'placeID')
  const rows = table(archive, 'rating_final.csv').map((rating) => [
    rating.userID,
    rating.placeID,
    ...OF_USER.map((name) => users.get(rating.userID)?.[name]),
    ...OF_PLACE.map((name) => places.get(rating.placeID)?.[name]),
    cuisines.get(rating.placeID)?.Rcuisine,
    rating.rating,
  ])
  const names = ['user', 'place', ...OF_USER, ...OF_PLACE, 'cuisine']
  return {
    names,
    columns: names.map((_, j) => codesOf(rows.map((row) => row[j]))),
    rating: Float64Array.from(rows, (row) => Number(row[names.length])),
  }
}

function codesOf(values: (string | undefined)[]): Float64Array {
  const codes = new Map<string, number>()
  return Float64Array.from(values, (value) => {
    if (value === undefined || value === '?') return Number.NaN
    if (!codes.has(value)) codes.set(value, codes.size)
    return codes.get(value) as number
  })
}
