/** The order that ORC has of values. */

type Ordered = boolean | number | bigint | string

/** Whether a value is below another of its kind. Texts go by their bytes in UTF-8; JavaScript's own order differs where one has characters beyond 16 bits. */
export function isBelow(a: Ordered, b: Ordered): boolean {
  if (typeof a === 'string' && typeof b === 'string' && (SURROGATE.test(a) || SURROGATE.test(b)))
    return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0
  return a < b
}

const SURROGATE = /[\ud800-\udfff]/
