/** The same model by four libraries of Python and by the trainer of this package: is a day rainy, by its temperatures and its wind? */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  type CommandTrainer,
  col,
  command,
  dataset,
  gates,
  gbdt,
  immediate,
  type ModelDef,
  model,
  project,
} from 'millrace'

/** A Python with the libraries of requirements.txt: that of a virtual environment, or the one on the PATH. */
const python = process.env.MILLRACE_PYTHON ?? 'python3'
/** A Python with PyTorch, NumPy and pyarrow, where there is one: PyTorch is large, and not in requirements.txt. */
const torch = process.env.MILLRACE_TORCH_PYTHON

/** Four years of weather in Seattle, as the package vega-datasets ships them. */
const packageFolder = dirname(fileURLToPath(import.meta.resolve('vega-datasets')))

const weather = dataset('weather', {
  source: join(packageFolder, '..', 'data', 'seattle-weather.csv'),
  time: 'date',
})

function trainedBy(
  script: string,
  params: CommandTrainer['params'] = {},
  interpreter = python,
): CommandTrainer {
  return command({
    run: [interpreter, `trainers/${script}`],
    files: ['trainers'],
    params,
    env: ['MILLRACE_OWN_SCORES'],
    time: '10m',
    memoryMb: 4096,
  })
}

function rainy(name: string, trainer: CommandTrainer | ReturnType<typeof gbdt>): ModelDef {
  return model(name, {
    from: weather,
    target: col('weather').eq('rain'),
    features: {
      high: col('temp_max'),
      low: col('temp_min'),
      span: col('temp_max').sub(col('temp_min')),
      wind: col('wind'),
      month: col('date').month(),
    },
    trainer,
    // Answers are those of the library, to the digit.
    calibrate: 'none',
    split: { by: 'time', validate: '200d', test: '200d' },
    gates: [gates.beatsBaseline()],
    release: immediate(),
  })
}

export default project('any-trainer', {
  datasets: [weather],
  models: [
    rainy('by-millrace', gbdt({ trees: 100, leaves: 15 })),
    rainy('by-lightgbm', trainedBy('with_lightgbm.py', { trees: 100, leaves: 15 })),
    rainy('by-xgboost', trainedBy('with_xgboost.py', { trees: 60, depth: 4 })),
    rainy('by-sklearn', trainedBy('with_sklearn.py', { trees: 60 })),
    rainy('by-network', trainedBy('with_network.py')),
    ...(torch ? [rainy('by-torch', trainedBy('with_torch.py', { steps: 300 }, torch))] : []),
  ],
})
