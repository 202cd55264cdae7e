/** NumPy's file format 1.0, as far as benchmarks need it: little-endian numbers, written once and read by both sides. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'

const MAGIC = '\x93NUMPY\x01\x00'

/** Writes columns as one [rows, columns] array in column order; one column alone as [rows]. */
export function writeNpy(file: string, columns: Float32Array[] | Float64Array): void {
  const list = Array.isArray(columns) ? columns : [columns]
  const shape = Array.isArray(columns) ? `(${list[0].length}, ${list.length})` : `(${columns.length},)`
  const type = Array.isArray(columns) ? '<f4' : '<f8'
  const text = `{'descr': '${type}', 'fortran_order': True, 'shape': ${shape}, }`
  const padded = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11, ' ')
  const header = Buffer.alloc(10 + padded.length + 1)
  header.write(MAGIC, 'latin1')
  header.writeUInt16LE(padded.length + 1, 8)
  header.write(`${padded}\n`, 10, 'latin1')
  const fd = openSync(file, 'w')
  try {
    for (const bytes of [header, ...list]) writeAll(fd, bytes)
  } finally {
    closeSync(fd)
  }
}

function writeAll(fd: number, data: NodeJS.ArrayBufferView): void {
  for (let at = 0; at < data.byteLength; ) at += writeSync(fd, data, at, data.byteLength - at)
}

function bodyOf(file: string): ArrayBuffer {
  const bytes = readFileSync(file)
  const begin = bytes.byteOffset + 10 + bytes.readUInt16LE(8)
  return bytes.buffer.slice(begin, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
}

/** The columns of a float32 file that `writeNpy` wrote. */
export function readColumns(file: string, nColumns: number): Float32Array[] {
  const all = new Float32Array(bodyOf(file))
  const nRows = all.length / nColumns
  return Array.from({ length: nColumns }, (_, j) => all.subarray(j * nRows, (j + 1) * nRows))
}

/** The numbers of a float64 file that `writeNpy` wrote. */
export function readNumbers(file: string): Float64Array {
  return new Float64Array(bodyOf(file))
}
