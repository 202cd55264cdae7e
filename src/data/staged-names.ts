import { MillraceError } from '../core/errors.ts'

/** Names of columns that the engine tells apart: they differ by more than their case, and there is one at least. Errors: MR_DATA_UNREADABLE. */
export function requireNames(
  fields: readonly { name: string }[],
  { file, format }: { file: string; format: string },
): void {
  const seen = new Set<string>()
  const refuse = (why: string) => new MillraceError('MR_DATA_UNREADABLE', { file, format, why })
  for (const { name } of fields) {
    const plain = name.toLowerCase()
    if (name === '') throw refuse('a column has no name')
    if (seen.has(plain)) throw refuse(`two columns are called "${name}"`)
    seen.add(plain)
  }
  if (fields.length === 0) throw refuse('it has no columns')
}
