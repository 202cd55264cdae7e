/** `millrace data add` and `checkout`, and what `data log`, `show`, `diff` and `verify` say of sets of files. */
import { relative, resolve } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import {
  addFiles,
  checkoutFiles,
  diffFiles,
  diffModels,
  type FileEntry,
  type FilesDiff,
  fileSetNames,
  filesLog,
  LINK_CHOICES,
  MODE,
  type ModelDiff,
  type NamedFiles,
  nameOfSet,
  namesFiles,
  planAdd,
  readTree,
  resolveFileSet,
  verifyFiles,
} from '../../data/files/index.ts'
import { datasetDef, type Runtime } from '../../loop/runtime.ts'
import type { Answer, Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { bytes, count, minute, orDash, plural, short } from '../format.ts'
import type { Options } from '../handler.ts'
import { oneOf, textOption } from '../options.ts'
import { pairs, table } from '../table.ts'

export { namesFiles }

/** Paths that a terminal is shown of each kind. */
const SHOWN = 20

export async function dataAdd(cli: Cli, [given]: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  const paths = (given as string[]).map((path) => resolve(path))
  const name = textOption(options, 'name') ?? nameOfSet(paths)
  if (rt.project.datasets.some((dataset) => dataset.name === name))
    throw new MillraceError('MR_FILES_TAKEN', { name })
  const request = {
    paths,
    name,
    branch: textOption(options, 'branch'),
    message: textOption(options, 'message'),
    actor: await cli.actor(),
    storeDir: rt.stateDir,
    signal: cli.signal,
    onProgress: cli.meter.update,
  }
  if (options.dryRun === true) return planned(await planAdd(rt.store, request))
  cli.meter.begin(`Add ${name}`)
  const done = await addFiles(rt.store, request)
  cli.meter.end()
  return { value: done, lines: addedLines(cli, done) }
}

function planned(plan: Awaited<ReturnType<typeof planAdd>>): Answer {
  return {
    value: { dryRun: true, ...plan },
    lines: [
      `  · ${plan.set}: ${plural(plan.files, 'path')}, ${bytes(plan.bytes)}`,
      `  · ${plural(plan.toRead, 'file')} would be read, ${bytes(plan.bytesToRead)}; the others look as they did`,
      ...(plan.ignored > 0 ? [`  · ${plural(plan.ignored, 'path')} left out by .millraceignore`] : []),
    ],
  }
}

function addedLines({ paint }: Cli, done: Awaited<ReturnType<typeof addFiles>>): string[] {
  const { set, branch, digest, version, isNew, added, changed, removed, ignored, bytesStored } = done
  const whole = `${plural(version.files, 'path')}, ${bytes(version.bytes)}`
  const left = ignored > 0 ? [paint.dim(`    ${plural(ignored, 'path')} left out by .millraceignore`)] : []
  if (!isNew)
    return [`  ${paint.good('✓')} ${set}@${branch} is as it was: ${short(digest)}, ${whole}`, ...left]
  const changes = `${paint.good(`+${count(added)}`)} ${paint.bad(`−${count(removed)}`)} ~${count(changed)}`
  return [
    `  ${paint.good('✓')} ${set}@${branch} ${short(digest)}  ${whole}  ${changes}, ${bytes(bytesStored)} stored`,
    ...left,
  ]
}

export async function dataCheckout(cli: Cli, [given]: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  if (options.lock !== undefined || given === undefined)
    return await (await import('./lock.ts')).checkoutOfLock(cli, rt, given, options)
  if (!(await namesFiles(rt.store, given as string)))
    return await checkoutOfTable(cli, rt, given as string, options)
  const named = await resolveFileSet(rt.store, given as string)
  const to = resolve(
    textOption(options, 'to') ?? (named.version.shape === 'folder' ? named.version.set : '.'),
  )
  const request = {
    to,
    link: oneOf('--link', textOption(options, 'link'), LINK_CHOICES),
    isForced: options.force === true,
    isDryRun: options.dryRun === true,
    signal: cli.signal,
    onProgress: cli.meter.update,
  }
  cli.meter.begin(`Check out ${named.version.set}`)
  const done = await checkoutFiles(rt.store, named, request)
  cli.meter.end()
  return checkedOut(
    cli,
    { what: named.version.set, digest: named.digest, to, unit: 'path' },
    done,
    request.isDryRun,
  )
}

/** A dataset becomes a folder of Parquet. */
async function checkoutOfTable(cli: Cli, rt: Runtime, name: string, options: Options): Promise<Answer> {
  const { checkoutTable, CROISSANT_SPECS, resolveVersion } = await import('../../data/index.ts')
  const named = await resolveVersion(rt.store, name)
  const { dataset } = named.version
  const to = resolve(textOption(options, 'to') ?? dataset)
  const isDryRun = options.dryRun === true
  cli.meter.begin(`Check out ${dataset}`)
  const done = await checkoutTable(rt.store, await rt.query(), named, {
    ...{ to, isDryRun, isForced: options.force === true },
    ...(options.croissant !== undefined && {
      croissant: {
        def: datasetDef(rt, dataset),
        spec: oneOf('--croissant', textOption(options, 'croissant'), CROISSANT_SPECS),
      },
    }),
    ...{ signal: cli.signal, onProgress: cli.meter.update },
  })
  cli.meter.end()
  return checkedOut(cli, { what: dataset, digest: named.digest, to, unit: 'file' }, done, isDryRun)
}

function checkedOut(
  cli: Cli,
  { what, digest, to, unit }: { what: string; digest: Digest; to: string; unit: string },
  done: { written: number; bytesWritten: number; removed: number; kept: number },
  isDryRun: boolean,
): Answer {
  const where = relative(process.cwd(), to) || '.'
  const would = isDryRun ? 'would write' : 'wrote'
  return {
    value: { ...(isDryRun && { dryRun: true }), name: what, ...done },
    lines: [
      `  ${cli.paint.good('✓')} ${what} ${short(digest)} in ${where}: ${would} ${plural(done.written, unit)}, ${bytes(done.bytesWritten)}; ${count(done.removed)} gone, ${count(done.kept)} as they were`,
    ],
  }
}

export async function logOfFiles(cli: Cli, { store }: Runtime, name: string, limit: number): Promise<Answer> {
  const rows = await filesLog(store, name, limit)
  const lines = table(
    ['version', 'at', 'paths', 'bytes', 'stored', 'message'],
    rows.map((r) => [
      short(r.digest),
      minute(r.at),
      count(r.files),
      bytes(r.bytes),
      bytes(r.bytesStored),
      r.message,
    ]),
    { right: ['paths', 'bytes', 'stored'], width: cli.width, paint: cli.paint },
  )
  return { value: rows, lines: ['', ...lines, ''] }
}

export async function showFiles(cli: Cli, { store }: Runtime, name: string): Promise<Answer> {
  const { digest, version } = await resolveFileSet(store, name)
  const entries = await readTree(store, version.tree)
  const { paint, width } = cli
  const rows = folderRows(entries)
  return {
    value: { digest, ...version, entries: entries.map(({ place: _, ...entry }) => entry) },
    lines: [
      '',
      `  ${paint.bold(`${version.set} ${short(digest)}`)}  ${plural(version.files, 'path')}, ${bytes(version.bytes)}, added ${minute(version.createdAt)} UTC${version.message ? `: ${version.message}` : ''}`,
      '',
      ...table(['paths', 'bytes', 'name'], rows.slice(0, SHOWN), { right: ['paths', 'bytes'], width, paint }),
      ...more(cli, rows.length - SHOWN),
      '',
    ],
  }
}

/** What lies at the top: folders with what is below them, and files. */
function folderRows(entries: readonly FileEntry[]): string[][] {
  const tops = new Map<string, { files: number; bytes: number }>()
  for (const { path, bytes: size, mode } of entries) {
    const slash = path.indexOf('/')
    const isFolder = slash >= 0 || mode === MODE.folder
    const name = slash >= 0 ? `${path.slice(0, slash)}/` : isFolder ? `${path}/` : path
    const top = tops.get(name) ?? { files: 0, bytes: 0 }
    top.files++
    top.bytes += size
    tops.set(name, top)
  }
  return [...tops].map(([name, top]) => [
    count(top.files),
    bytes(top.bytes),
    JSON.stringify(name).slice(1, -1),
  ])
}

const more = ({ paint }: Cli, left: number): string[] =>
  left > 0 ? [paint.dim(`  … and ${count(left)} more; all of them with --json`)] : []

/** Compares two versions; the second is the newest of the first's set where it is not named. Errors: MR_FILES_DIFF_KINDS. */
export async function diffOfFiles(cli: Cli, { store }: Runtime, from: string, to?: string): Promise<Answer> {
  const a = await resolveFileSet(store, from)
  if (to !== undefined && !(await namesFiles(store, to)))
    throw new MillraceError('MR_FILES_DIFF_KINDS', { files: from, other: to })
  const b = await resolveFileSet(store, to ?? `${a.version.set}@${a.branch}`)
  const found = await diffFiles(store, a, b)
  cli.meter.begin('Compare tensors')
  cli.meter.update(0, '')
  const models = await diffModels(store, [a, b], found)
  cli.meter.end()
  return {
    value: { ...plainDiff(found), models },
    lines: [...diffLines(cli, a, b, found), ...models.flatMap((m) => modelLines(cli, m))],
  }
}

function plainDiff({ added, removed, changed, moved, ...rest }: FilesDiff) {
  const plain = ({ path, bytes: size, digest }: FileEntry) => ({ path, bytes: size, digest })
  return {
    ...rest,
    added: added.map(plain),
    removed: removed.map(plain),
    changed: changed.map(({ before, after }) => ({ ...plain(after), bytesBefore: before.bytes })),
    moved: moved.map(({ before, after }) => ({ ...plain(after), pathBefore: before.path })),
  }
}

function diffLines(cli: Cli, a: NamedFiles, b: NamedFiles, d: FilesDiff): string[] {
  const { paint } = cli
  const lines = [
    ...d.added.map((e) => `  ${paint.good('+')} ${e.path}  ${paint.dim(bytes(e.bytes))}`),
    ...d.removed.map((e) => `  ${paint.bad('−')} ${e.path}  ${paint.dim(bytes(e.bytes))}`),
    ...d.moved.map(({ before, after }) => `  → ${before.path} → ${after.path}`),
    ...d.changed.map(({ before, after }) => {
      const sizes =
        before.bytes === after.bytes ? bytes(after.bytes) : `${bytes(before.bytes)} → ${bytes(after.bytes)}`
      return `  ~ ${after.path}  ${paint.dim(sizes)}`
    }),
  ]
  return [
    '',
    `  ${paint.bold(`${short(a.digest)} → ${short(b.digest)}`)}`,
    '',
    ...pairs(
      [
        [
          'paths',
          `${paint.good(`+${count(d.added.length)}`)}  ${paint.bad(`−${count(d.removed.length)}`)}  ~${count(d.changed.length)}  ${count(d.moved.length)} moved, ${count(d.same)} the same`,
        ],
      ],
      paint,
      cli.width,
    ),
    ...(lines.length > 0 ? ['', ...lines.slice(0, SHOWN), ...more(cli, lines.length - SHOWN)] : []),
    '',
  ]
}

function modelLines(
  { paint, width }: Cli,
  { path, added, removed, reshaped, changed, same }: ModelDiff,
): string[] {
  const shapeOf = (tensor: { dtype: string; shape: readonly number[] }) =>
    `${tensor.dtype} [${tensor.shape.join(', ')}]`
  const rows = [
    ...added.map((t) => ['+', t.name, shapeOf(t), '–', '–', '–']),
    ...removed.map((t) => ['−', t.name, shapeOf(t), '–', '–', '–']),
    ...reshaped.map((t) => ['~', t.name, `${t.before} → ${t.after}`, '–', '–', '–']),
    ...changed.map((t) => [
      '~',
      t.name,
      shapeOf(t),
      orDash(t.nChanged, count),
      orDash(t.maxAbs),
      orDash(t.meanAbs),
    ]),
  ]
  const left = rows.length - SHOWN
  return [
    `  ${paint.bold(path)}  ${plural(rows.length, 'tensor')} changed, ${count(same)} the same`,
    '',
    ...table(['', 'tensor', 'shape', 'numbers', 'max |Δ|', 'mean |Δ|'], rows.slice(0, SHOWN), {
      right: ['numbers', 'max |Δ|', 'mean |Δ|'],
      width,
      paint,
    }),
    ...(left > 0 ? [paint.dim(`  … and ${count(left)} more; all of them with --json`)] : []),
    '',
  ]
}

/** Hashes all of one set, or of all of them. Undefined where there are none. */
export async function verifyOfFiles(cli: Cli, { store }: Runtime, name?: string) {
  const names = name === undefined ? await fileSetNames(store) : [name]
  const all = []
  for (const set of names) {
    cli.meter.begin(`Verify ${set}`)
    const options = { signal: cli.signal, onProgress: cli.meter.update }
    all.push({ name: set, ...(await verifyFiles(store, await resolveFileSet(store, set), options)) })
    cli.meter.end()
  }
  const exit = all.some(({ bad }) => bad.length > 0) ? EXIT.refused : EXIT.done
  return { value: all, lines: all.flatMap((v) => verifiedLines(cli, v)), exit }
}

type Verified = Awaited<ReturnType<typeof verifyFiles>> & { name: string }

function verifiedLines(cli: Cli, { name, files, chunks, bytes: size, bad }: Verified): string[] {
  const { paint } = cli
  if (bad.length === 0)
    return [
      `  ${paint.good('✓')} ${name}: ${plural(chunks, 'chunk')} of ${plural(files, 'path')} hashed again (${bytes(size)}), all whole`,
    ]
  const paths = [...new Set(bad.map(({ path }) => path))]
  return [
    `  ${paint.bad('✗')} ${name}: ${plural(paths.length, 'path')} damaged`,
    ...paths.slice(0, SHOWN).map((path) => `      ${path}`),
    ...more(cli, paths.length - SHOWN),
    `    ${paint.dim('fix:')} fetch the packs from a remote or a backup, or add the files again: the next version will have them`,
  ]
}
