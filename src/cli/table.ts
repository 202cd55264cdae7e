/** Rows in columns: words to the left, numbers to the right. */
import { type Paint, PLAIN, widthOf } from './paint.ts'

export interface TableOptions {
  /** Columns that are numbers, by name or place; the others are words. */
  right?: readonly string[]
  /** Columns of the terminal; the last column is cut to fit. Default: no cut. */
  width?: number
  paint?: Paint
}

/** Lines of a table under its head, two blanks in from the left. Empty without rows. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  options: TableOptions = {},
): string[] {
  if (rows.length === 0) return []
  const { right = [], width = Number.POSITIVE_INFINITY, paint = PLAIN } = options
  const isRight = head.map((name) => right.includes(name))
  const widths = head.map((name, i) => Math.max(widthOf(name), ...rows.map((row) => widthOf(row[i] ?? ''))))
  const last = head.length - 1
  const used = widths.slice(0, last).reduce((sum, w) => sum + w + GAP, GAP)
  const room = Math.max(12, width - used)
  const line = (cells: readonly string[]) =>
    ' '.repeat(GAP) +
    cells
      .map((cell, i) => {
        const shown = i === last ? cut(cell, room) : cell
        if (i === last && !isRight[i]) return shown
        return pad(shown, Math.min(widths[i], i === last ? room : widths[i]), isRight[i])
      })
      .join(' '.repeat(GAP))
      .trimEnd()
  return [paint.dim(line(head)), ...rows.map(line)]
}

const GAP = 2

export function pad(text: string, width: number, right = false): string {
  const blanks = ' '.repeat(Math.max(0, width - widthOf(text)))
  return right ? blanks + text : text + blanks
}

/** A text that is too wide, ending in `…`. Text with colours is left whole: its tail would lose the end of the colour. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width || text.includes('\x1b')) return text
  let out = ''
  for (const sign of text) {
    if (widthOf(out) + widthOf(sign) > width - 1) break
    out += sign
  }
  return `${out.trimEnd()}…`
}

/** Names and what they hold, in two columns; values of several lines stay in theirs. */
export function pairs(
  rows: readonly (readonly [string, string | readonly string[]])[],
  paint: Paint = PLAIN,
  room = Number.POSITIVE_INFINITY,
): string[] {
  const width = Math.max(0, ...rows.map(([name]) => widthOf(name)))
  return rows.flatMap(([name, value]) => {
    const lines = typeof value === 'string' ? [value] : value
    return lines.flatMap((text, i) =>
      wrapped(`  ${paint.dim(pad(i === 0 ? name : '', width))}  `, text, room),
    )
  })
}

/** A sentence behind what stands before it, broken at blanks so that its lines stay below one another. */
export function wrapped(before: string, text: string, width: number): string[] {
  const indent = widthOf(before)
  if (indent + widthOf(text) <= width || width - indent < WRAP_MIN) return [before + text]
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (line !== '' && indent + widthOf(longer) > width) {
      lines.push(line)
      line = word
    } else line = longer
  }
  lines.push(line)
  return lines.map((each, i) => (i === 0 ? before : ' '.repeat(indent)) + each)
}

/** Columns below which breaking a sentence makes it harder to read. */
const WRAP_MIN = 24
