/**
 * The browsers that visited web sites at six dates, as six versions of the package user-agents ship them: one population as it changes in 32 months.
 * Written once as lines of JSON, with the date of its snapshot on each row. A browser that an earlier snapshot had is left out of later ones (28 to 60 % are),
 * so that no test row was trained on.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'

/** Dates of 1.x by the newest Chrome in them, of 2.x by their publication. */
const SNAPSHOTS = {
  'browsers-2024-01': '2024-01-15',
  'browsers-2025-10': '2025-10-15',
  'browsers-2026-06': '2026-06-21',
  'browsers-2026-07': '2026-07-29',
  'browsers-2026-08': '2026-08-29',
  'browsers-2026-09': '2026-09-29',
}

interface Browser {
  platform: string
  screenWidth: number
  screenHeight: number
  viewportWidth: number
  viewportHeight: number
  userAgent: string
}

export const snapshotsFile = join(dirname(fileURLToPath(import.meta.url)), 'data', 'snapshots.jsonl')

/** Writes the file where it is missing. */
export function writeSnapshots(): void {
  if (existsSync(snapshotsFile)) return
  const seen = new Set<string>()
  const lines = Object.entries(SNAPSHOTS).flatMap(([name, date]) =>
    browsersOf(name).flatMap((browser) => {
      const { platform, screenWidth, screenHeight, viewportWidth, viewportHeight, userAgent } = browser
      const row = { platform, screenWidth, screenHeight, viewportWidth, viewportHeight }
      const key = `${userAgent} ${JSON.stringify(row)}`
      if (seen.has(key)) return []
      seen.add(key)
      return [JSON.stringify({ seenAt: date, ...row })]
    }),
  )
  mkdirSync(dirname(snapshotsFile), { recursive: true })
  writeFileSync(`${snapshotsFile}.part`, `${lines.join('\n')}\n`)
  renameSync(`${snapshotsFile}.part`, snapshotsFile)
}

function browsersOf(name: string): Browser[] {
  const folder = packageFolder(name)
  const packed = join(folder, 'src', 'user-agents.json.gz')
  const text = existsSync(packed)
    ? gunzipSync(readFileSync(packed))
    : readFileSync(join(folder, 'dist', 'user-agents.json'))
  return JSON.parse(text.toString('utf8')) as Browser[]
}

/** The package gives its entry in dist/ alone. */
function packageFolder(name: string): string {
  return join(dirname(fileURLToPath(import.meta.resolve(name))), '..')
}
