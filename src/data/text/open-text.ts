/** Opens a delimited text file: encoding, dialect, names, types, and what is spelt otherwise than the engine spells it; each guess is said. */
import { closeSync, createReadStream, openSync, readSync } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { isMillraceError, MillraceError, toError } from '../../core/errors.ts'
import type { ReadDef } from '../../define/types.ts'
import { type Duck, literal, quote } from '../duck.ts'
import type { ChildFile } from '../types.ts'
import { type Conversion, candidateOf, settleConventions } from './conventions.ts'
import { type Dialect, sniffDialect } from './dialect.ts'
import { encodingNamed, guessEncoding, markOf } from './encoding.ts'
import type { Guess } from './guess.ts'
import { evenCopy } from './ragged.ts'
import { recordsOf } from './records.ts'
import { copyAsUtf8, decodeHead } from './utf8-copy.ts'

export interface TextOptions extends ReadDef {
  /** Columns to be read as text whatever they look like. */
  asText: ReadonlySet<string>
  /** Look at all rows before deciding on types, not only at the first. */
  thorough: boolean
}

export interface OpenText {
  encoding: string
  delimiter: string
  header: boolean
  columns: { name: string; duckType: string }[]
  scan: string
  guesses: Guess[]
}

const SNIFF_BYTES = 1 << 20
const SNIFF_ROWS = 100_000
/** Rows by which a column is taken for numbers or days in another spelling. */
const SPELLING_ROWS = 1_000

/** Errors: MR_DATA_UNREADABLE, MR_DATA_ENCODING, MR_DATA_HEADER_ROWS, MR_DATA_RAGGED; others of the engine. */
export async function openText(duck: Duck, file: ChildFile, options: TextOptions): Promise<OpenText> {
  const head = await headOf(file)
  const plain = await plainFile(duck, file, head, options)
  const dialect = sniffDialect(plain.text, plain.isCut, options, file.name)
  const source = {
    path: plain.path,
    gzip: plain.gzip,
    dialect,
    guesses: [...plain.guesses, ...dialect.guesses],
  }
  const even = options.ragged === 'pad' ? await evened(duck, file, source, true) : source
  const checked = options.thorough ? await requireEven(duck, file, even, options) : even
  const opened = await described(duck, checked, options)
  const spelt = await converted(duck, opened, plain.text, dialect, options)
  return {
    encoding: plain.encoding,
    delimiter: dialect.delimiter,
    header: dialect.header,
    ...spelt,
    guesses: [...checked.guesses, ...spelt.guesses],
  }
}

interface Plain {
  path: string
  gzip: boolean
  encoding: string
  /** The first bytes, as text with plain line ends. */
  text: string
  isCut: boolean
  guesses: Guess[]
}

/** The file itself where the engine reads it, else a copy in UTF-8. */
async function plainFile(
  duck: Duck,
  file: ChildFile,
  { bytes, isCut }: Head,
  options: ReadDef,
): Promise<Plain> {
  const { encoding, guesses, markBytes } = encodingOf(bytes, options, file.name)
  const decoded = decodeHead(bytes.subarray(markBytes), encoding)
  const text = decoded.replace(/\r\n?/g, '\n')
  const isOld = !decoded.includes('\n') && decoded.includes('\r')
  const isMixed = decoded.includes('\r\n') && /(^|[^\r])\n/.test(decoded)
  if (isOld || isMixed)
    guesses.push({
      what: 'lines',
      value: isOld ? 'end in CR' : 'end in CRLF and LF',
      sure: 'sure',
      why: 'no line feed follows',
    })
  const known = { encoding, text, isCut, guesses }
  if (encoding === 'utf-8' && !isOld && !isMixed) return { ...known, path: file.path, gzip: file.gzip }
  const path = duck.scratch('utf8')
  await copyAsUtf8(file, path, encoding)
  return { ...known, path, gzip: false }
}

function encodingOf(
  head: Uint8Array,
  { encoding: given }: ReadDef,
  file: string,
): { encoding: string; markBytes: number; guesses: Guess[] } {
  if (given === undefined) {
    const { name, markBytes, guess } = guessEncoding(head)
    return { encoding: name, markBytes, guesses: [guess] }
  }
  const encoding = encodingNamed(given)
  if (!encoding) throw new MillraceError('MR_DATA_ENCODING', { file, encoding: given })
  const mark = markOf(head)
  return { encoding, markBytes: mark?.name === encoding ? mark.bytes : 0, guesses: [] }
}

interface Source {
  path: string
  gzip: boolean
  dialect: Dialect
  guesses: Guess[]
}

/** A copy in which every row has as many cells. */
async function evened(duck: Duck, file: ChildFile, source: Source, pad: boolean): Promise<Source> {
  const path = duck.scratch('even')
  const changed = await evenCopy({ ...source, name: file.name }, path, source.dialect, pad)
  const dialect: Dialect = { ...source.dialect, delimiter: ',', quote: '"', skip: 0, isUneven: false }
  const guess: Guess = {
    what: 'lines',
    value: pad ? 'padded' : 'empty cells left out',
    sure: pad ? 'sure' : 'likely',
    why: `${changed} rows have other numbers of cells`,
    pin: "ragged: 'pad'",
  }
  return { path, gzip: false, dialect, guesses: changed === 0 ? source.guesses : [...source.guesses, guess] }
}

/** Where rows have other numbers of cells, that is settled without loss or refused with how many they are. */
async function requireEven(
  duck: Duck,
  file: ChildFile,
  source: Source,
  options: TextOptions,
): Promise<Source> {
  try {
    await duck.run(`SELECT count(*) FROM ${scanOf(source, options, true)}`)
    return source
  } catch (thrown) {
    if (!/Number of Columns|sniffing|unterminated|quote/i.test(toError(thrown).message)) throw thrown
    return await evened(duck, file, source, false)
  }
}

const csvBasics = ({ gzip, dialect }: Source): string[] => [
  `compression = ${gzip ? "'gzip'" : "'none'"}`,
  `delim = ${literal(dialect.delimiter)}`,
  `quote = ${literal(dialect.quote)}`,
  `escape = ${literal(dialect.quote)}`,
]

function scanOf(
  source: Source,
  options: TextOptions,
  isText: boolean,
  texts: readonly string[] = [],
): string {
  const { path, dialect } = source
  // A line of names that is shorter or longer than the rows is left out, and its names are said.
  const settings = [
    ...csvBasics(source),
    `header = ${dialect.header && !dialect.isUneven}`,
    `skip = ${dialect.skip + (dialect.header && dialect.isUneven ? 1 : 0)}`,
    ...(dialect.header && dialect.isUneven ? [`names = [${dialect.names.map(literal).join(', ')}]`] : []),
    `sample_size = ${options.thorough ? -1 : SNIFF_ROWS}`,
    `nullstr = [${missingTexts(options.missing).map(literal).join(', ')}]`,
    ...(isText ? ['all_varchar = true'] : []),
    ...(texts.length > 0
      ? [`types = {${texts.map((name) => `${literal(name)}: 'VARCHAR'`).join(', ')}}`]
      : []),
  ]
  return `read_csv(${literal(path)}, ${settings.join(', ')})`
}

/** Codes as they stand in a file: bare, and with the blank that many exporters put after the comma. */
const missingTexts = (missing: string[]): string[] => ['', ...missing.flatMap((code) => [code, ` ${code}`])]

interface Described {
  columns: { name: string; duckType: string }[]
  scan: string
  source: Source
}

/** Types of the columns. A file that has none in common is read as text to the end, which names the first line at fault. */
async function described(duck: Duck, source: Source, options: TextOptions): Promise<Described> {
  const scan = scanOf(source, options, false)
  try {
    const columns = await describe(duck, scan)
    const texts = columns.filter(
      ({ name, duckType }) => duckType !== 'VARCHAR' && options.asText.has(name.trim()),
    )
    if (texts.length === 0) return { columns, scan, source }
    const names = texts.map(({ name }) => name)
    return {
      columns: columns.map((column) =>
        names.includes(column.name) ? { ...column, duckType: 'VARCHAR' } : column,
      ),
      scan: scanOf(source, options, false, names),
      source,
    }
  } catch (thrown) {
    if (isMillraceError(thrown)) throw thrown
    await duck.run(`SELECT count(*) FROM ${scanOf(source, options, true)}`)
    throw thrown
  }
}

async function describe(duck: Duck, scan: string): Promise<Described['columns']> {
  const rows = await duck.rows<{ column_name: string; column_type: string }>(`DESCRIBE SELECT * FROM ${scan}`)
  return rows.map((r) => ({ name: r.column_name, duckType: r.column_type }))
}

/** Columns of numbers and days in another spelling are read as text and turned into what they are. */
async function converted(
  duck: Duck,
  { columns, scan, source }: Described,
  text: string,
  dialect: Dialect,
  options: TextOptions,
): Promise<Pick<OpenText, 'columns' | 'scan' | 'guesses'>> {
  const rows = recordsOf(text, dialect.delimiter, dialect.quote, false)
    .filter(
      ({ line, cells }) => line > dialect.skip + (dialect.header ? 1 : 0) && cells.length === dialect.width,
    )
    .slice(0, SPELLING_ROWS)
  const missing = new Set(['', ...options.missing])
  const candidates = columns.flatMap(({ name, duckType }, i) => {
    if (options.asText.has(name.trim())) return []
    const values = rows.map(({ cells }) => cells[i]!.trim()).filter((value) => !missing.has(value))
    return candidateOf(name, duckType, values) ?? []
  })
  if (candidates.length === 0) return { columns, scan, guesses: [] }
  const names = candidates.map(({ name }) => name)
  const forced = columns.filter(
    ({ name, duckType }) =>
      names.includes(name) || (duckType === 'VARCHAR' && options.asText.has(name.trim())),
  )
  const asText = scanOf(
    source,
    options,
    false,
    forced.map(({ name }) => name),
  )
  const { conversions, guesses } = await settleConventions(
    duck,
    asText,
    candidates,
    options,
    dialect.delimiter,
  )
  const byName = new Map(conversions.map((one) => [one.column, one]))
  return {
    columns: columns.map(({ name, duckType }) => ({
      name,
      duckType: byName.get(name)?.duckType ?? (names.includes(name) ? 'VARCHAR' : duckType),
    })),
    scan:
      conversions.length === 0
        ? asText
        : `(SELECT ${columns.map(({ name }) => selected(name, byName.get(name))).join(', ')} FROM ${asText})`,
    guesses,
  }
}

const selected = (name: string, conversion: Conversion | undefined): string =>
  conversion ? `${conversion.sql} AS ${quote(name)}` : quote(name)

interface Head {
  bytes: Buffer
  isCut: boolean
}

async function headOf({ path, gzip }: ChildFile): Promise<Head> {
  if (!gzip) {
    const fd = openSync(path, 'r')
    try {
      const head = Buffer.alloc(SNIFF_BYTES)
      const bytes = head.subarray(0, readSync(fd, head, 0, SNIFF_BYTES, 0))
      return { bytes, isCut: bytes.length === SNIFF_BYTES }
    } finally {
      closeSync(fd)
    }
  }
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of createReadStream(path).pipe(createGunzip())) {
    chunks.push(chunk as Buffer)
    bytes += (chunk as Buffer).length
    if (bytes >= SNIFF_BYTES) break
  }
  return { bytes: Buffer.concat(chunks), isCut: bytes >= SNIFF_BYTES }
}
