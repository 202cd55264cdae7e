/** Error texts of the area `train`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const train = {
  MR_TRAIN_NO_TIME: {
    what: (_: Record<string, never>) => 'the split goes by time, but the dataset names no time column',
    fix: (_: Record<string, never>) =>
      "name one: dataset(…, { time: 'column' }), or split by { by: 'random' }",
    retryable: false,
    status: 400,
  },
  MR_TRAIN_ONE_CLASS: {
    what: (d: { model: string; value: number; rows: number }) =>
      `the target of model "${d.model}" is ${d.value === 1 ? 'true' : 'false'} in all ${d.rows} training rows; two classes are needed`,
    fix: (_: { model: string; value: number; rows: number }) =>
      'check the target expression (its limit, its column), or train on a longer window',
    retryable: false,
    status: 400,
  },
  MR_TRAIN_TOO_FEW_ROWS: {
    what: (d: { model: string; split: string; need: number; got: number }) =>
      `model "${d.model}" needs ${d.need} rows to ${d.split}, got ${d.got}`,
    fix: (d: { model: string; split: string; need: number; got: number }) =>
      `import more rows, or give "${d.split}" a larger part in the model's split`,
    retryable: false,
    status: 400,
  },
  MR_TRAIN_TARGET: {
    what: (d: { model: string; missing: number; rows: number }) =>
      `the target of model "${d.model}" is missing in all of its ${d.rows} rows`,
    fix: (_: { model: string; missing: number; rows: number }) =>
      'check the target expression against the dataset: `millrace data show`',
    retryable: false,
    status: 400,
  },
  MR_TRAIN_TARGET_VALUES: {
    what: (d: { model: string; other: number; rows: number }) =>
      `model "${d.model}" is a classifier, but its target is neither 0 nor 1 in ${d.other} of ${d.rows} rows`,
    fix: (_: { model: string; other: number; rows: number }) =>
      "make the target a condition, e.g. col('delay').gt(15), or let the task be a regression",
    retryable: false,
    status: 400,
  },
  MR_TRAIN_NO_FEATURES: {
    what: (d: { model: string; tried: number }) =>
      `model "${d.model}" has no usable feature (${d.tried} columns looked at)`,
    fix: (_: { model: string; tried: number }) =>
      'name features in the config: features: { name: col("column") }',
    retryable: false,
    status: 400,
  },
}
