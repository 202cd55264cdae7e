// Compiles the AssemblyScript of kernels/ to WebAssembly and writes it as text into the source tree, so that the compiler's output ships it and
// nobody who installs the package needs AssemblyScript. `--check` writes nothing and fails where the text is out of date.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Each source with the module it becomes, and whether threads share its memory. */
const KERNELS = [
  {
    source: 'kernels/gbdt.ts',
    module: 'src/train/gbdt/kernels-wasm.ts',
    name: 'GBDT_KERNELS',
    threads: true,
  },
  {
    source: 'kernels/ftrl.ts',
    module: 'src/train/ftrl/kernels-wasm.ts',
    name: 'FTRL_KERNELS',
    threads: false,
  },
  {
    source: 'kernels/mlp.ts',
    module: 'src/model/network/kernels-wasm.ts',
    name: 'MLP_KERNELS',
    threads: false,
  },
  {
    source: 'kernels/score.ts',
    module: 'src/model/tree/kernels-wasm.ts',
    name: 'SCORE_KERNELS',
    threads: false,
  },
  {
    source: 'kernels/shap.ts',
    module: 'src/model/shap/kernels-wasm.ts',
    name: 'SHAP_KERNELS',
    threads: false,
  },
  {
    source: 'kernels/decimals.ts',
    module: 'src/model/import/kernels-wasm.ts',
    name: 'DECIMAL_KERNELS',
    threads: false,
  },
]

const FLAGS = [
  '-O3',
  '--converge',
  '--noAssert',
  '--runtime',
  'stub',
  '--importMemory',
  '--noExportMemory',
  '--initialMemory',
  '1',
  '--maximumMemory',
  '65536',
  '--enable',
  'simd',
]
const THREAD_FLAGS = ['--sharedMemory', '--enable', 'threads']

/** Path of the AssemblyScript compiler, a development dependency of the kernels workspace; `null` where it is not installed. */
function findCompiler() {
  try {
    const { resolve } = createRequire(join(root, 'kernels/package.json'))
    return join(dirname(resolve('assemblyscript/package.json')), 'bin/asc.js')
  } catch {
    return null
  }
}

/** The text of a generated module. */
export function compileKernels(compiler, { source, name, threads }) {
  const folder = mkdtempSync(join(tmpdir(), 'kernels-'))
  try {
    const file = join(folder, 'out.wasm')
    const flags = threads ? [...FLAGS, ...THREAD_FLAGS] : FLAGS
    execFileSync(process.execPath, [compiler, source, ...flags, '-o', file], { cwd: root, stdio: 'inherit' })
    return moduleText(name, source, readFileSync(file).toString('base64'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function moduleText(name, source, base64) {
  return `// Generated from ${source} by scripts/kernels.mjs; do not edit.

/** WebAssembly in base64. */
export const ${name} =
  '${base64}'
`
}

function main() {
  const compiler = findCompiler()
  if (compiler === null) {
    console.error('AssemblyScript is not installed: run `npm ci` in the project folder')
    process.exit(1)
  }
  for (const kernel of KERNELS) {
    const text = compileKernels(compiler, kernel)
    const file = join(root, kernel.module)
    if (!process.argv.includes('--check')) writeFileSync(file, text)
    else if (readFileSync(file, 'utf8') !== text) {
      console.error(`${kernel.module} is out of date: run \`node scripts/kernels.mjs\``)
      process.exitCode = 1
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main()
