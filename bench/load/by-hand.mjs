// What one writes by hand in an afternoon: `node:http` and ONNX Runtime, requests of a moment in one call; no checks, no tokens, no metrics. `by-hand.mjs <folder> <port>`
import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import ort from 'onnxruntime-node'

const [folder, port] = process.argv.slice(2)
const OPTIONS = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 }
const DATATYPES = { float32: 'FP32', int64: 'INT64' }

class Model {
  waiting = []

  constructor(name, session) {
    this.name = name
    this.session = session
  }

  ask(tensor, response) {
    if (this.waiting.push({ tensor, response }) === 1) setImmediate(() => void this.answer())
  }

  async answer() {
    const asked = this.waiting
    this.waiting = []
    const values = Float32Array.from(asked.flatMap(({ tensor }) => tensor.data))
    const [{ tensor }] = asked
    const rows = new ort.Tensor('float32', values, [asked.length, ...tensor.shape.slice(1)])
    const outputs = Object.entries(await this.session.run({ x: rows }))
    asked.forEach(({ response }, i) => {
      const body = JSON.stringify({
        model_name: this.name,
        outputs: outputs.map((output) => rowOf(output, i)),
      })
      const length = Buffer.byteLength(body)
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': length }).end(body)
    })
  }
}

function rowOf([name, { type, dims, data }], i) {
  const width = data.length / dims[0]
  const row = Array.from(data.slice(i * width, (i + 1) * width), Number)
  return { name, datatype: DATATYPES[type], shape: [1, ...dims.slice(1)], data: row }
}

const models = new Map()
for (const file of readdirSync(folder)) {
  const name = file.replace('.onnx', '')
  models.set(name, new Model(name, await ort.InferenceSession.create(join(folder, file), OPTIONS)))
}

createServer((request, response) => {
  if (request.method === 'GET') return response.end('{}')
  const parts = []
  request.on('data', (part) => parts.push(part))
  request.on('end', () => {
    // what a server has to do that computes nothing
    if (request.url === '/nothing') return response.end('{}')
    const [tensor] = JSON.parse(Buffer.concat(parts)).inputs
    models.get(request.url.split('/')[3]).ask(tensor, response)
  })
}).listen(Number(port), '127.0.0.1')
