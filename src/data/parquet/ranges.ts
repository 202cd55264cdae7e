/** Some columns of a Parquet file at an address: its footer and their bytes are asked for, and nothing else. */
import { open } from 'node:fs/promises'
import { mapAtOnce } from '../../store/disk/disk.ts'
import { MAGIC, type NarrowPlan, planNarrow } from './narrow.ts'

/** Asks for a range of bytes, with what says that it has to be of the same file. */
export type AskRange = (range: string, same: Record<string, string>) => Promise<Response>

/** What tells one state of a file from another: its length, and what the server says of it. */
interface State {
  bytes: number
  etag: string | null
  modified: string | null
}

/** The file was changed between two requests. */
class Changed extends Error {}

const TAIL_BYTES = 64 * 1024
const RANGES_AT_ONCE = 6

/** Writes a Parquet file of the wanted columns. `whole` where the server gives no ranges or the file is none that can be taken apart, `same` where it is as it was. Errors: Changed, and those of `ask`. */
export async function writeColumns(
  path: string,
  wanted: readonly string[],
  ask: AskRange,
  known: Record<string, string>,
): Promise<State | 'whole' | 'same'> {
  const first = await ask(`bytes=-${TAIL_BYTES}`, known)
  if (first.status === 304) return 'same'
  const state = stateOf(first)
  if (state === undefined) {
    await first.body?.cancel()
    return 'whole'
  }
  const read = reader(ask, state)
  const plan = await planOf(Buffer.from(await first.arrayBuffer()), state, wanted, read)
  if (plan === undefined) return 'whole'
  const file = await open(path, 'wx')
  try {
    await file.write(MAGIC, 0, 'latin1')
    const stretches = joined(plan.pieces)
    await mapAtOnce(stretches, RANGES_AT_ONCE, async ({ begin, end, at }) => {
      await file.write(await read(begin, end), 0, end - begin, at)
    })
    const last = stretches.at(-1)
    await file.write(plan.end, 0, plan.end.length, last ? last.at + last.end - last.begin : MAGIC.length)
    return state
  } finally {
    await file.close()
  }
}

async function planOf(
  tail: Buffer,
  { bytes }: State,
  wanted: readonly string[],
  read: (begin: number, end: number) => Promise<Buffer>,
): Promise<NarrowPlan | undefined> {
  if (tail.length < 12 || tail.toString('latin1', tail.length - 4) !== MAGIC) return undefined
  const length = tail.readUInt32LE(tail.length - 8)
  if (length > bytes - 12) return undefined
  const footer =
    length <= tail.length - 8
      ? tail.subarray(tail.length - 8 - length, tail.length - 8)
      : await read(bytes - 8 - length, bytes - 8)
  try {
    const plan = planNarrow(footer, wanted)
    // What is not there is refused where the whole file is read, which says what there is.
    return plan && plan.absent.length === 0 ? plan : undefined
  } catch (thrown) {
    if (thrown instanceof RangeError) return undefined
    throw thrown
  }
}

/** Of a partial answer; undefined of any other. */
function stateOf({ status, headers }: Response): State | undefined {
  const [, bytes] = /\/(\d+)$/.exec(headers.get('content-range') ?? '') ?? []
  if (status !== 206 || bytes === undefined) return undefined
  return { bytes: Number(bytes), etag: headers.get('etag'), modified: headers.get('last-modified') }
}

const reader =
  (ask: AskRange, { bytes, etag, modified }: State) =>
  async (begin: number, end: number): Promise<Buffer> => {
    const isStrong = etag !== null && !etag.startsWith('W/')
    const response = await ask(`bytes=${begin}-${end - 1}`, isStrong ? { 'if-match': etag } : {})
    const now = stateOf(response)
    if (now === undefined || now.bytes !== bytes || now.etag !== etag || now.modified !== modified) {
      await response.body?.cancel()
      throw new Changed('it changed between two reads')
    }
    const piece = Buffer.from(await response.arrayBuffer())
    if (piece.length !== end - begin) throw new Error(`${piece.length} of ${end - begin} bytes came`)
    return piece
  }

/** Stretches that follow one another are asked for at once. */
function joined(pieces: NarrowPlan['pieces']): { begin: number; end: number; at: number }[] {
  const all: { begin: number; end: number; at: number }[] = []
  let at = MAGIC.length
  for (const { begin, end } of pieces) {
    const last = all.at(-1)
    if (last?.end === begin) last.end = end
    else all.push({ begin, end, at })
    at += end - begin
  }
  return all
}
