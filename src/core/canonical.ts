/** Any value that JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined }

/**
 * The one text of a JSON value: keys sorted by code unit, no white space, numbers as ECMAScript prints them
 * (RFC 8785 for everything that JSON can hold). Equal values have equal text, so digests of records are stable.
 *
 * Missing: keys whose value is `undefined` are left out. Errors: throws `TypeError` on NaN, infinities, functions and cycles.
 * Cost: O(size).
 */
export function canonicalJson(value: unknown): string {
  return print(value, 0)
}

const NESTING_MAX = 256

function print(value: unknown, depth: number): string {
  if (depth > NESTING_MAX)
    throw new TypeError(`canonical JSON: nested deeper than ${NESTING_MAX} levels, or a cycle`)
  if (value === null) return 'null'
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value)
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`canonical JSON: ${value} is not a JSON number`)
      return JSON.stringify(value)
    case 'object':
      return Array.isArray(value)
        ? `[${value.map((item) => print(item ?? null, depth + 1)).join(',')}]`
        : printObject(value as Record<string, unknown>, depth)
    default:
      throw new TypeError(`canonical JSON: a ${typeof value} cannot be written`)
  }
}

function printObject(value: Record<string, unknown>, depth: number): string {
  if (ArrayBuffer.isView(value))
    throw new TypeError('canonical JSON: a typed array cannot be written; store its bytes as an object')
  const fields: string[] = []
  for (const key of Object.keys(value).sort()) {
    const item = value[key]
    if (item !== undefined) fields.push(`${JSON.stringify(key)}:${print(item, depth + 1)}`)
  }
  return `{${fields.join(',')}}`
}
