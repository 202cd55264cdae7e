/** The little of XML that the S3 API speaks: elements without attributes that matter, five entities and character references. */

/** Texts of all elements of this name, in order, with what is nested in them as it stands. */
export function elements(xml: string, name: string): string[] {
  const found: string[] = []
  const pattern = new RegExp(`<${name}(?:\\s[^>]*)?(?:/>|>([\\s\\S]*?)</${name}>)`, 'g')
  for (const [, inner = ''] of xml.matchAll(pattern)) found.push(inner)
  return found
}

/** Text of the first element of this name. */
export function textIn(xml: string, name: string): string | undefined {
  const [first] = elements(xml, name)
  return first === undefined ? undefined : unescaped(first)
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescaped(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([0-9a-fA-F]+)|(\w+));/g, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[name] ?? whole
    return String.fromCodePoint(decimal !== undefined ? Number(decimal) : Number.parseInt(hex, 16))
  })
}

export function escaped(text: string): string {
  return text.replace(
    /[&<>"']/g,
    (letter) => `&${Object.keys(ENTITIES).find((name) => ENTITIES[name] === letter)};`,
  )
}
