/** Numbers, times and sizes as a report says them. */
import { grouped } from '../../core/grouped.ts'

export const count = (n: number): string => grouped(Math.round(n))

/** Four significant digits; whole numbers whole. */
export function figure(x: number): string {
  if (Number.isInteger(x) && Math.abs(x) < 1e15) return count(x)
  const size = Math.abs(x)
  return size >= 1e7 || size < 1e-4 ? x.toExponential(3) : String(Number(x.toPrecision(4)))
}

export function shareText(share: number): string {
  if (share > 0 && share < 0.001) return '< 0.1 %'
  return `${(100 * share).toFixed(share < 0.1 || share > 0.999 ? 1 : 0)} %`
}

/** `2024-03-01 12:00` in UTC. */
export const minute = (at: number): string =>
  Number.isFinite(at) && Math.abs(at) < 8.64e15
    ? new Date(at).toISOString().slice(0, 16).replace('T', ' ')
    : '–'

export const day = (at: number): string => minute(at).slice(0, 10)

export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let [size, unit] = [n, 0]
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000
    unit++
  }
  return `${size >= 100 || unit === 0 ? Math.round(size) : Number(size.toPrecision(2))} ${units[unit]}`
}

export const plural = (n: number, word: string): string => `${count(n)} ${word}${n === 1 ? '' : 's'}`
