/** Colours of a terminal, and none where nobody would see them. */

type Dye = (text: string) => string

export interface Paint {
  bold: Dye
  dim: Dye
  good: Dye
  bad: Dye
  warn: Dye
  accent: Dye
}

const dye =
  (open: number, close: number): Dye =>
  (text) =>
    text === '' ? '' : `\x1b[${open}m${text}\x1b[${close}m`
const plain: Dye = (text) => text

export const PLAIN: Paint = { bold: plain, dim: plain, good: plain, bad: plain, warn: plain, accent: plain }

const COLOURED: Paint = {
  bold: dye(1, 22),
  dim: dye(2, 22),
  good: dye(32, 39),
  bad: dye(31, 39),
  warn: dye(33, 39),
  accent: dye(36, 39),
}

/** No colour when piped, when NO_COLOR is set (https://no-color.org), or on a terminal that says it is dumb. */
export function paintFor(
  stream: { isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): Paint {
  const wanted = stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'
  return wanted ? COLOURED : PLAIN
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins a colour
const CODES = /\x1b\[[0-9;]*m/g

/** Text without its colours. */
export function bare(text: string): string {
  return text.replace(CODES, '')
}

/** Columns a text takes in a terminal: wide signs of East Asia take two, marks that combine take none. */
export function widthOf(text: string): number {
  let width = 0
  for (const sign of bare(text)) width += /\p{M}/u.test(sign) ? 0 : WIDE.test(sign) ? 2 : 1
  return width
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]/u
