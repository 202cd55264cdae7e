/** Records of delimited text: cells between delimiters, quoted ones with delimiters and line ends inside. */

export interface TextRecord {
  /** Line on which it begins, from 1. */
  line: number
  cells: string[]
  /** Offset after it in the text. */
  end: number
}

/**
 * Records of a text, as RFC 4180 has them; a quote inside a quoted cell is doubled or stands after a backslash where `escape` says so. Blanks before a quote that opens a cell are left out, as exporters that
 * write `, "a"` mean it. With `isCut` the last record is left out, since it may not be whole.
 */
export function recordsOf(text: string, delimiter: string, quote: string, isCut = false): TextRecord[] {
  const records: TextRecord[] = []
  let line = 1
  let at = 0
  while (at < text.length) {
    const begun = line
    const cells: string[] = []
    for (;;) {
      let cell = ''
      let from = at
      while (text[from] === ' ' && delimiter !== ' ') from++
      if (quote !== '' && text[from] === quote) {
        at = from + 1
        for (;;) {
          const end = text.indexOf(quote, at)
          const stop = end < 0 ? text.length : end
          cell += text.slice(at, stop)
          at = stop + 1
          if (text[at] !== quote) break
          cell += quote
          at++
        }
        line += cell.split('\n').length - 1
      }
      const next = endOfCell(text, at, delimiter)
      cell += text.slice(at, next)
      cells.push(cell)
      at = next + 1
      if (text[next] !== delimiter) break
    }
    if (text[at - 1] === '\n') line++
    records.push({ line: begun, cells, end: Math.min(at, text.length) })
  }
  if (isCut) records.pop()
  return records
}

function endOfCell(text: string, at: number, delimiter: string): number {
  for (let i = at; i < text.length; i++) if (text[i] === delimiter || text[i] === '\n') return i
  return text.length
}
