/** `millrace data merge-models`: one checkpoint of several. */
import { existsSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import { fileSource, openInSet, Packs } from '../../data/files/index.ts'
import type { Runtime } from '../../loop/runtime.ts'
import { type Checkpoint, type MergeMethod, mergeCheckpoints } from '../../model/checkpoint/merge.ts'
import { readSafetensors } from '../../model/checkpoint/safetensors.ts'
import { writeWhole } from '../../store/disk/draft.ts'
import type { Answer, Cli } from '../cli.ts'
import { bytes, plural } from '../format.ts'
import type { Options } from '../handler.ts'
import { oneOf, textOption } from '../options.ts'

const KEPT_SHOWN = 10

export async function mergeModels(
  cli: Cli,
  [output, given]: readonly unknown[],
  options: Options,
): Promise<Answer> {
  const path = resolve(output as string)
  if (existsSync(path) && options.force !== true)
    throw new MillraceError('MR_CLI_EXISTS', { path: output as string })
  const rt = await cli.open()
  const opened = new OpenModels(rt)
  try {
    const models: Checkpoint[] = []
    for (const name of given as string[]) models.push(await opened.open(name))
    const method = await methodOf(options, opened)
    const weights = textOption(options, 'weights')?.split(',').map(Number)
    cli.meter.begin('Merge models')
    const result = await writeWhole(path, async (draft) => {
      const handle = await open(draft, 'w')
      try {
        return await mergeCheckpoints({
          models,
          method,
          ...(weights && { weights }),
          write: async (piece) => void (await handle.writeFile(piece)),
          onProgress: cli.meter.update,
          signal: cli.signal,
        })
      } finally {
        await handle.close()
      }
    })
    cli.meter.end()
    return { value: { path, method: method.kind, ...result }, lines: lines(cli, output as string, result) }
  } finally {
    await opened.close()
  }
}

function lines(
  { paint }: Cli,
  output: string,
  { merged, kept, bytes: size }: Awaited<ReturnType<typeof mergeCheckpoints>>,
): string[] {
  return [
    `  ${paint.good('✓')} wrote ${output}  ${plural(merged, 'tensor')} merged, ${bytes(size)}`,
    ...kept.slice(0, KEPT_SHOWN).map(({ name, why }) => paint.dim(`    ${name} is as it was: ${why}`)),
    ...(kept.length > KEPT_SHOWN
      ? [paint.dim(`    … and ${kept.length - KEPT_SHOWN} more; all of them with --json`)]
      : []),
  ]
}

async function methodOf(options: Options, opened: OpenModels): Promise<MergeMethod> {
  const kind = oneOf('--method', textOption(options, 'method'), ['average', 'ties'] as const) ?? 'average'
  if (kind === 'average') return { kind }
  const base = textOption(options, 'base')
  if (base === undefined)
    throw new MillraceError('MR_MERGE_MODELS', { what: 'a base for TIES (--base)', got: 'none' })
  return {
    kind,
    base: await opened.open(base),
    density: numberOption(options, 'density', 0.2),
    scale: numberOption(options, 'scale', 1),
    trim: oneOf('--trim', textOption(options, 'trim'), ['model', 'tensor'] as const) ?? 'model',
  }
}

function numberOption(options: Options, name: string, fallback: number): number {
  const text = textOption(options, name)
  if (text === undefined) return fallback
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value)) return value
  throw new MillraceError('MR_CLI_VALUE', { option: `--${name}`, expected: 'a number', got: text })
}

/** Checkpoints by name: a local file, or a file of a version, as `set` where it has one, else `set:path`. */
class OpenModels {
  readonly #rt: Runtime
  readonly #packs: Packs
  readonly #handles: FileHandle[] = []

  constructor(rt: Runtime) {
    this.#rt = rt
    this.#packs = new Packs(rt.store)
  }

  async open(name: string): Promise<Checkpoint> {
    const source = existsSync(name)
      ? await this.#local(name)
      : await openInSet(this.#rt.store, this.#packs, name)
    return { name, source, map: await readSafetensors(source) }
  }

  async #local(path: string) {
    const handle = await open(path)
    this.#handles.push(handle)
    return await fileSource(handle)
  }

  async close(): Promise<void> {
    this.#packs.close()
    for (const handle of this.#handles) await handle.close()
  }
}
