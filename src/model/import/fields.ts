import type { Refuse } from './refusal.ts'
import type { Tree } from './ubjson.ts'

/** A part of a file read as JSON: each field is looked at as what it should be, and refused with its path where it is not. */
export class Fields {
  readonly path: string
  private readonly object: { [key: string]: Tree }
  private readonly refuse: Refuse

  constructor(value: Tree, path: string, refuse: Refuse) {
    if (!isObject(value)) throw refuse(path, 'an object', kindOf(value))
    this.object = value
    this.path = path
    this.refuse = refuse
  }

  has(key: string): boolean {
    return Object.hasOwn(this.object, key)
  }

  under(key: string): Fields {
    return new Fields(this.get(key), this.at(key), this.refuse)
  }

  list(key: string): Tree[] {
    const value = this.get(key)
    if (Array.isArray(value)) return value
    if (ArrayBuffer.isView(value)) return Array.from(value as Uint8Array)
    throw this.refuse(this.at(key), 'a list', kindOf(value))
  }

  objects(key: string): Fields[] {
    return this.list(key).map((value, i) => new Fields(value, `${this.at(key)}[${i}]`, this.refuse))
  }

  text(key: string): string {
    const value = this.get(key)
    if (typeof value !== 'string') throw this.refuse(this.at(key), 'a text', kindOf(value))
    return value
  }

  texts(key: string): string[] {
    return this.list(key).map((value) => {
      if (typeof value !== 'string') throw this.refuse(this.at(key), 'texts', kindOf(value))
      return value
    })
  }

  /** A list of numbers; truth values count as 0 and 1. */
  numbers(key: string, length?: number): Float64Array {
    const value = this.get(key)
    if (!Array.isArray(value) && !ArrayBuffer.isView(value))
      throw this.refuse(this.at(key), 'a list of numbers', kindOf(value))
    const list = value as ArrayLike<unknown>
    if (length !== undefined && list.length !== length)
      throw this.refuse(this.at(key), `${length} numbers`, `${list.length}`)
    const numbers = new Float64Array(list.length)
    for (let i = 0; i < list.length; i++) {
      const x = list[i]
      if (typeof x !== 'number' && typeof x !== 'boolean')
        throw this.refuse(`${this.at(key)}[${i}]`, 'a number', kindOf(x as Tree))
      numbers[i] = Number(x)
    }
    return numbers
  }

  /** An integer of `[0, max]`, also as text, which is how XGBoost writes parameters; `otherwise` when absent. */
  count(key: string, max: number, otherwise?: number): number {
    if (otherwise !== undefined && !this.has(key)) return otherwise
    const value = Number(this.get(key))
    if (!(Number.isInteger(value) && value >= 0 && value <= max))
      throw this.refuse(this.at(key), `an integer from 0 to ${max}`, String(this.object[key]))
    return value
  }

  private get(key: string): Tree {
    if (!this.has(key)) throw this.refuse(this.path, `a field ${key}`, 'none')
    return this.object[key]
  }

  private at(key: string): string {
    return this.path === '' ? key : `${this.path}.${key}`
  }
}

function isObject(value: Tree): value is { [key: string]: Tree } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
}

function kindOf(value: Tree): string {
  if (value === null) return 'nothing'
  return Array.isArray(value) || ArrayBuffer.isView(value) ? 'a list' : `a ${typeof value}`
}

/** Reads a JSON text as XGBoost writes it, whose infinities are no JSON. Errors: by `refuse`. */
export function readJson(text: string, refuse: Refuse): Tree {
  try {
    return JSON.parse(text) as Tree
  } catch {
    return parseAgain(text, refuse)
  }
}

/** Infinities become numbers too large for a double; NaN, which stands where a split has no threshold, becomes 0. */
function parseAgain(text: string, refuse: Refuse): Tree {
  const plain = text
    .replace(/(?<=[[,:\s]-?)Infinity(?=[\],}\s])/g, '1e999')
    .replace(/(?<=[[,:\s]-?)NaN(?=[\],}\s])/g, '0')
  try {
    return JSON.parse(plain) as Tree
  } catch (cause) {
    throw refuse('the text', 'JSON', (cause as Error).message)
  }
}
