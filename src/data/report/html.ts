/** HTML in which every value is escaped unless it is HTML made here. */

export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

type Piece = Html | string | number | null | undefined | false | readonly Piece[]

/** Markup around values: texts and numbers are escaped, lists joined, and what is absent leaves nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly Piece[]): Html {
  return new Html(parts.map((part, i) => part + (i < values.length ? textOf(values[i]) : '')).join(''))
}

function textOf(value: Piece): string {
  if (value instanceof Html) return value.text
  if (Array.isArray(value)) return value.map(textOf).join('')
  return value === null || value === undefined || value === false ? '' : escaped(String(value))
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Also without the control characters and halves of signs that a page cannot hold. */
function escaped(text: string): string {
  const plain = text.replaceAll(/[^\P{Cc}\n\r\t]|\p{Cs}/gu, '\ufffd')
  return plain.replaceAll(/[&<>"']/g, (sign) => ENTITIES[sign]!)
}
