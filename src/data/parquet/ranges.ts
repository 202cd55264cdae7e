/** Some columns of a Parquet file at an address: its footer and their bytes are asked for, and nothing else. */
import { open } from 'node:fs/promises'
import { mapAtOnce } from '../../store/disk/disk.ts'
import { MAGIC, type NarrowPlan, planNarrow } from './narrow.ts'

/** Asks for a range of bytes, with what says that it has to be of the same file. */
export type AskRange = (range: string, same: Record<string, string>) => Promise<Response>

/** What tells one state of a file from another: its length, and what the server says of it. */
export interface State {
  bytes: number
  etag: string | null
  modified: string | null
}

/** The file was changed between two requests. */
export class Changed extends Error {}

const TAIL_BYTES = 64 * 1024
const RANGES_AT_ONCE = 6

/** A Parquet file at an address: its footer, and its bytes by place as long as it is the same file. */
export interface RangedFile {
  state: State
  footer: Uint8Array
  /** Bytes `[begin, end)`. Errors: Changed, and those of `ask`. */
  read(begin: number, end: number): Promise<Buffer>
}

/** Asks for the footer. `whole` where the server gives no ranges or the file is no Parquet, `same` where it is as it was. Errors: Changed, and those of `ask`. */
export async function openRanges(
  ask: AskRange,
  known: Record<string, string>,
): Promise<RangedFile | 'whole' | 'same'> {
  const first = await ask(`bytes=-${TAIL_BYTES}`, known)
  if (first.status === 304) return 'same'
  const state = stateOf(first)
  if (state === undefined) {
    await first.body?.cancel()
    return 'whole'
  }
  const read = reader(ask, state)
  const footer = await footerOf(Buffer.from(await first.arrayBuffer()), state, read)
  return footer === undefined ? 'whole' : { state, footer, read }
}

/** Writes a Parquet file of the wanted columns. `whole` where the server gives no ranges or the file is none that can be taken apart, `same` where it is as it was. Errors: Changed, and those of `ask`. */
export async function writeColumns(
  path: string,
  wanted: readonly string[],
  ask: AskRange,
  known: Record<string, string>,
): Promise<State | 'whole' | 'same'> {
  const file = await openRanges(ask, known)
  if (file === 'same' || file === 'whole') return file
  const plan = planOf(file.footer, wanted)
  // What is not there is refused where the whole file is read, which says what there is.
  if (plan === undefined || plan.absent.length > 0) return 'whole'
  await writePlan(path, plan, file.read)
  return file.state
}

/** What a file of these columns and groups of rows is made of; undefined of a file that cannot be taken apart. */
export function planOf(
  footer: Uint8Array,
  wanted: readonly string[],
  groups?: ReadonlySet<number>,
): NarrowPlan | undefined {
  try {
    return planNarrow(footer, wanted, groups)
  } catch (thrown) {
    if (thrown instanceof RangeError) return undefined
    throw thrown
  }
}

/** Writes the file into a path that is not there yet. Errors: those of `read`. */
export async function writePlan(
  path: string,
  plan: NarrowPlan,
  read: RangedFile['read'],
  onBytes?: (bytes: number) => void,
): Promise<void> {
  const file = await open(path, 'wx')
  try {
    await file.write(MAGIC, 0, 'latin1')
    const stretches = joined(plan.pieces)
    await mapAtOnce(stretches, RANGES_AT_ONCE, async ({ begin, end, at }) => {
      await file.write(await read(begin, end), 0, end - begin, at)
      onBytes?.(end - begin)
    })
    const last = stretches.at(-1)
    await file.write(plan.end, 0, plan.end.length, last ? last.at + last.end - last.begin : MAGIC.length)
  } finally {
    await file.close()
  }
}

async function footerOf(
  tail: Buffer,
  { bytes }: State,
  read: RangedFile['read'],
): Promise<Uint8Array | undefined> {
  if (tail.length < 12 || tail.toString('latin1', tail.length - 4) !== MAGIC) return undefined
  const length = tail.readUInt32LE(tail.length - 8)
  if (length > bytes - 12) return undefined
  return length <= tail.length - 8
    ? tail.subarray(tail.length - 8 - length, tail.length - 8)
    : await read(bytes - 8 - length, bytes - 8)
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
