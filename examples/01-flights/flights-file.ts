import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Three million flights of 2001 (US Bureau of Transportation Statistics), as the package vega-datasets ships them.
 * The package does not export its data files by subpath, so the folder is found from its entry.
 */
export const flightsFile = join(
  dirname(fileURLToPath(import.meta.resolve('vega-datasets'))),
  '..',
  'data',
  'flights-3m.parquet',
)
