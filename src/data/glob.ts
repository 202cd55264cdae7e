/** A pattern of names as an expression: `*` and `?` stay inside a folder, `**` crosses folders. */
export function shapeOf(glob: string): RegExp {
  const text = glob.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*\*\/|\*\*|\*|\?/g, (wild) => {
    if (wild === '**/') return '(?:[^/]+/)*'
    if (wild === '**') return '.*'
    return wild === '*' ? '[^/]*' : '[^/]'
  })
  return new RegExp(`^${text}$`)
}
