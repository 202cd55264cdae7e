/** `millrace data stream`: rows that come one by one, how far they are versions, and what was refused. */
import { MillraceError } from '../../core/errors.ts'
import { RowIntake, type RowsStatus, retryHeld, type SealOutcome, sealRows } from '../../data/index.ts'
import type { DatasetDef } from '../../define/types.ts'
import { datasetDef, type Runtime } from '../../loop/runtime.ts'
import type { Answer, Cli } from '../cli.ts'
import { bytes, minute, rowsText, short } from '../format.ts'
import { oneOf } from '../options.ts'
import { wrapped } from '../table.ts'

const ACTS = ['status', 'seal', 'retry'] as const

export async function dataStream(cli: Cli, [name, given]: readonly unknown[]): Promise<Answer> {
  const act = oneOf('act', given as string | undefined, ACTS) ?? 'status'
  const rt = await cli.open()
  const defs = streamsOf(rt, name as string | undefined)
  if (act === 'status') return await status(cli, rt, defs)
  const outcomes: SealOutcome[] = []
  cli.meter.expect(defs.length)
  for (const def of defs) outcomes.push(...(await done(cli, rt, def, act)))
  return {
    value: { outcomes },
    lines: outcomes.length === 0 ? nothing(act) : outcomes.map((one) => line(cli, one)),
  }
}

const nothing = (act: 'seal' | 'retry'): string[] => [
  act === 'seal' ? '  no rows wait' : '  no rows are held',
]

/** Datasets that take rows: the one that is named, or all. */
function streamsOf(rt: Runtime, name: string | undefined): DatasetDef[] {
  const { datasets } = rt.project
  const open = datasets.filter(({ stream }) => stream)
  if (name === undefined) return open
  const def = datasetDef(rt, name)
  if (!def.stream)
    throw new MillraceError('MR_ROWS_OFF', { dataset: name, open: open.map((one) => one.name) })
  return [def]
}

async function done(cli: Cli, rt: Runtime, def: DatasetDef, act: 'seal' | 'retry'): Promise<SealOutcome[]> {
  cli.meter.begin(act === 'seal' ? `Seal of ${def.name}` : `Retry of ${def.name}`)
  const request = {
    actor: 'cli',
    now: rt.clock.now(),
    signal: cli.signal,
    onProgress: (share: number, note: string) => cli.meter.update(share, note),
  }
  try {
    if (act === 'retry') return await retryHeld(rt, def, request)
    const outcome = await sealRows(rt, def, request)
    return outcome ? [outcome] : []
  } finally {
    cli.meter.end()
  }
}

function line({ paint }: Cli, { dataset, rows, version, held }: SealOutcome): string {
  if (held) return `  ${paint.bad('✗')} ${dataset}: ${rowsText(rows)} held  ${held.why}`
  const where = version ? `in version ${short(version)}` : 'were there already'
  return `  ${paint.good('✓')} ${dataset}: ${rowsText(rows)} ${where}`
}

async function status(cli: Cli, rt: Runtime, defs: readonly DatasetDef[]): Promise<Answer> {
  const found: RowsStatus[] = []
  for (const def of defs) found.push((await RowIntake.open(rt, def)).status())
  const lines = found.flatMap((one) => linesOf(cli, one))
  return {
    value: { streams: found },
    lines: lines.length > 0 ? lines : ['  no dataset takes rows: say stream: true in the config'],
  }
}

function linesOf({ paint, width }: Cli, { dataset, waiting, sealed, held }: RowsStatus): string[] {
  const waits =
    waiting.rows === 0
      ? 'none wait'
      : `${rowsText(waiting.rows)} (${bytes(waiting.bytes)}) wait since ${minute(waiting.since ?? 0)}`
  const last =
    sealed.at === null ? 'none sealed yet' : `${rowsText(sealed.rows)} sealed, last at ${minute(sealed.at)}`
  return [
    `  ${dataset}  ${waits}; ${last}`,
    ...held.flatMap(({ rows, at, why }) =>
      wrapped(`    ${paint.bad('✗')} `, `${rowsText(rows)} held since ${minute(at)}: ${why}`, width),
    ),
    ...(held.length > 0 ? [`    put it right, then: millrace data stream ${dataset} retry`] : []),
  ]
}
