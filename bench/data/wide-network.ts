/** A network whose weights are many: one row costs nearly what it costs to read them, so that more rows at a time pay. Written as ONNX. */
import { seededRng } from '../../dist/core/rng.js'
import { FLOAT, initializer, input, model, node, output } from '../../test/engine/infer/onnx-bytes.ts'

export interface WideNetwork {
  features: number
  width: number
  layers: number
}

/** `x [rows, features]` to `y [rows, width]` through so many layers of `width` by `width`, with a rectifier after each. */
export function wideNetwork({ features, width, layers }: WideNetwork): Uint8Array {
  const rng = seededRng(7)
  const names = Array.from({ length: layers }, (_, i) => `h${i}`)
  const inputs = ['x', ...names.slice(0, -1).map((name) => `${name}r`)]
  const parts = names.flatMap((name, i) => {
    const from = i === 0 ? features : width
    const scale = Math.sqrt(2 / from)
    const weights = Float32Array.from({ length: from * width }, () => scale * (rng.next() - 0.5) * 3.4)
    return [
      node('MatMul', [inputs[i], `w${i}`], [name]),
      node('Relu', [name], [i === layers - 1 ? 'y' : `${name}r`]),
      initializer(`w${i}`, FLOAT, [from, width], weights),
    ]
  })
  return model(...parts, input('x', FLOAT, ['rows', features]), output('y', FLOAT, ['rows', width]))
}
