/**
 * The trainers of examples/03-any-trainer with their own libraries: each is trained by the command line, gated, released, served and explained. Needs a Python with the
 * libraries of its requirements.txt, named by MILLRACE_PYTHON.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { refs } from '../../src/core/names.ts'
import type { ModelBundle, RunRecord, RunSpec } from '../../src/core/records.ts'
import { loadModel } from '../../src/model/load.ts'
import { openMatrix } from '../../src/model/matrix.ts'
import { rawColumns } from '../../src/model/predict.ts'
import { auc } from '../../src/stats/index.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/ports.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const example = join(root, 'examples/03-any-trainer')
const python = process.env.MILLRACE_PYTHON
const state = mkdtempSync(join(tmpdir(), 'millrace-any-'))
afterAll(() => rmSync(state, { recursive: true, force: true }))

if (!python)
  console.log('SKIP trainers of others: MILLRACE_PYTHON names no Python with their libraries (CI makes one)')

function millrace(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'bin/millrace.cjs'), ...args, '--project', example, '--state', state, '--json'],
    { encoding: 'utf8' },
  )
  const said = stdout.split('\n').filter((line) => line.startsWith('{'))
  return { status, stderr, said: said.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

describe.runIf(python)('trainers of others', () => {
  beforeAll(() => {
    expect(millrace('data', 'import', 'weather').status).toBe(0)
  })

  test.each(['by-lightgbm', 'by-xgboost', 'by-sklearn', 'by-network'])(
    '%s scores as its own library does, and is released',
    async (name) => {
      const trained = millrace('train', name)
      expect(trained.stderr, trained.stderr).not.toContain('MR_')
      expect(trained.status).toBe(0)
      const store = await openStore({ dir: state }, { clock: { now: () => 1 } })
      try {
        const { ours, theirs } = await validationAucs(store, name)
        expect(ours).toBeCloseTo(theirs, 4)
        expect(ours).toBeGreaterThan(0.7)
      } finally {
        await store.close()
      }
      expect(millrace('train', name).said.at(-1)).toMatchObject({ known: true })
      expect(millrace('release', name).status).toBe(0)
    },
  )
})

/** AUC on the validation rows: of the model as it is scored here, and as its library said. */
async function validationAucs(store: Store, name: string): Promise<{ ours: number; theirs: number }> {
  const latest = await store.meta.ref(refs.latest(name))
  const bundle = await store.getRecord<ModelBundle>(latest!.digest, 'ModelBundle')
  const model = await loadModel(store, bundle.parent)
  const spec = await store.getRecord<RunSpec>(model.version.run as RunRecord['spec'], 'RunSpec')
  const matrix = openMatrix(await store.objects.path(spec.inputs.matrix))
  const { columns, nRows, target } = matrix.slice('validate')
  matrix.close()
  const ours = auc(rawColumns({ ...model.graph, calibration: null }, columns, nRows), target)
  const said = model.version.card.notes.join('\n')
  return { ours, theirs: Number(/validationAuc ([\d.]+)/.exec(said)?.[1]) }
}
