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

/** Path of the AssemblyScript compiler: that of the kernels workspace, or below the folder in `ASSEMBLYSCRIPT_ROOT`; `null` without one. */
export function findCompiler() {
  for (const from of [join(root, 'kernels/'), process.env.ASSEMBLYSCRIPT_ROOT]) {
    if (!from) continue
    try {
      return join(
        dirname(createRequire(join(from, 'package.json')).resolve('assemblyscript/package.json')),
        'bin/asc.js',
      )
    } catch {}
  }
  return null
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
    console.error('AssemblyScript is not installed: run `npm install` in the project folder')
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
