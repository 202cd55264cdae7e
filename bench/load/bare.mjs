// What ONNX Runtime takes alone, in this process: `bare.mjs <model.onnx> <rows file> <shape of a row> <seconds>` prints CPU microseconds a call and the median.
import { readFileSync } from 'node:fs'
import ort from 'onnxruntime-node'

const [file, rowsFile, shapeText, seconds] = process.argv.slice(2)
const shape = shapeText.split(',').map(Number)
const width = shape.reduce((product, size) => product * size, 1)
const rows = new Float32Array(new Uint8Array(readFileSync(rowsFile)).buffer)
const session = await ort.InferenceSession.create(file, {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  enableCpuMemArena: false,
  logSeverityLevel: 3,
})

async function call(i) {
  const at = (i % (rows.length / width)) * width
  await session.run({ x: new ort.Tensor('float32', rows.slice(at, at + width), [1, ...shape]) })
}

for (let i = 0; i < 20; i++) await call(i)
const took = []
const cpu = process.cpuUsage()
for (const endMs = performance.now() + 1000 * seconds; performance.now() < endMs; ) {
  const begunMs = performance.now()
  await call(took.length)
  took.push(performance.now() - begunMs)
}
const { user, system } = process.cpuUsage(cpu)
took.sort((a, b) => a - b)
console.log(
  JSON.stringify({ cpuUs: (user + system) / took.length, p50Ms: took[took.length >> 1], calls: took.length }),
)
