/** Error texts of the area `model`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const model = {
  MR_MODEL_FORMAT: {
    what: (d: { offset: number; expected: string; got: string }) =>
      `model bytes at offset ${d.offset}: expected ${d.expected}, got ${d.got}`,
    fix: (_: { offset: number; expected: string; got: string }) =>
      'the file is damaged or not a model of Millrace: fetch it again by its digest, or train the model anew',
    retryable: false,
    status: 422,
  },
  MR_MODEL_VERSION: {
    what: (d: { got: number; known: number }) =>
      `model format version ${d.got} is newer than version ${d.known}, the last one known here`,
    fix: (_: { got: number; known: number }) =>
      'upgrade Millrace on this machine, or train the model with this version',
    retryable: false,
    status: 422,
  },
  MR_MODEL_INVALID: {
    what: (d: { part: string; index: number; expected: string; got: string }) =>
      `model ${d.part}[${d.index}] must be ${d.expected}, got ${d.got}`,
    fix: (_: { part: string; index: number; expected: string; got: string }) =>
      'do not serve this model; export it again from its source, or train it anew',
    retryable: false,
    status: 422,
  },
  MR_REPOSITORY_PATH: {
    what: (d: { path: string }) => `there is nothing at ${d.path}`,
    fix: (_: { path: string }) =>
      "give the path of a model file, of a model's folder, or of a folder of models",
    retryable: false,
    status: 404,
  },
  MR_REPOSITORY_EMPTY: {
    what: (d: { path: string }) => `no model was found at ${d.path}`,
    fix: (_: { path: string }) =>
      'put there: an .onnx file, LightGBM text, XGBoost JSON, a Triton repository (model/1/model.onnx), an MLflow folder (MLmodel) or an MLServer folder (model-settings.json)',
    retryable: false,
    status: 404,
  },
  MR_REPOSITORY_NAME: {
    what: (d: { name: string; path: string }) => `two models at ${d.path} are named "${d.name}"`,
    fix: (d: { name: string; path: string }) => `rename one of the files or folders named "${d.name}"`,
    retryable: false,
    status: 409,
  },
  MR_REPOSITORY_CONFIG: {
    what: (d: { file: string; where: string; need: string; got: string }) =>
      `${d.file}: ${d.where} must be ${d.need}, got ${d.got}`,
    fix: (d: { file: string; where: string; need: string; got: string }) => `correct ${d.where} of ${d.file}`,
    retryable: false,
    status: 422,
  },
  MR_MODEL_IMPORT: {
    what: (d: { source: string; place: string; expected: string; got: string }) =>
      `${d.source} at ${d.place}: expected ${d.expected}, got ${d.got}`,
    fix: (d: { source: string; place: string; expected: string; got: string }) =>
      `save the model again with ${d.source} and import that file unchanged, or export it to ONNX`,
    retryable: false,
    status: 422,
  },
  MR_MODEL_MISSING: {
    what: (d: { input: string; type: string }) =>
      `input "${d.input}" of the network is ${d.type} and cannot hold a missing value`,
    fix: (_: { input: string; type: string }) =>
      'give every row a value, or let the feature put a number in its place in the config',
    retryable: false,
    status: 422,
  },
  MR_MODEL_ALIGN: {
    what: (d: { part: string; expected: string; got: string }) =>
      `the model file does not fit the config: ${d.part} must be ${d.expected}, got ${d.got}`,
    fix: (_: { part: string; expected: string; got: string }) =>
      'name features and classes in the config as the file does: `millrace model show <file>` lists them; or give names with --features',
    retryable: false,
    status: 422,
  },
  MR_MODEL_EXPORT: {
    what: (d: { format: string; what: string; known: string }) =>
      `${d.format} cannot hold a model of kind ${d.what}; it holds ${d.known}`,
    fix: (_: { format: string; what: string; known: string }) =>
      'export the model in another format: onnx or lightgbm, or copy its object from the store',
    retryable: false,
    status: 422,
  },
  MR_MODEL_SPARSE: {
    what: (d: { feature: number; at: number; min: number; max: number; got: number }) =>
      `sparse column ${d.feature} must list rows in ascending order: row index ${d.at} must be from ${d.min} to ${d.max}, got ${d.got}`,
    fix: (d: { feature: number; at: number; min: number; max: number; got: number }) =>
      `sort the rows of column ${d.feature} with their values, list each once, and none above ${d.max}`,
    retryable: false,
    status: 400,
  },
  MR_MODEL_SHAPE: {
    what: (d: { what: string; expected: number; got: number }) =>
      `${d.what} must have length ${d.expected}, got ${d.got}`,
    fix: (d: { what: string; expected: number; got: number }) => `pass ${d.expected} values for ${d.what}`,
    retryable: false,
    status: 400,
  },
  MR_MODEL_PARAM: {
    what: (d: { param: string; expected: string; got: string }) =>
      `training parameter ${d.param} must be ${d.expected}, got ${d.got}`,
    fix: (d: { param: string; expected: string; got: string }) => `set ${d.param} to ${d.expected}`,
    retryable: false,
    status: 400,
  },
  MR_MODEL_NO_ROWS: {
    what: (d: { need: number; got: number }) => `training needs at least ${d.need} row, got ${d.got}`,
    fix: (_: { need: number; got: number }) => 'widen the training window or the filter, or import more data',
    retryable: false,
    status: 400,
  },
  MR_MODEL_ROWS_MAX: {
    what: (d: { max: number; got: number }) =>
      `training in process takes at most ${d.max} rows, got ${d.got}`,
    fix: (d: { max: number; got: number }) =>
      `train on a sample of ${d.max} rows, or use a command as trainer`,
    retryable: false,
    status: 413,
  },
  MR_MODEL_WIDTH: {
    what: (d: { max: number; got: number }) =>
      `a linear model takes at most ${d.max} numbers and values of categories, got ${d.got}`,
    fix: (_: { max: number; got: number }) =>
      'train by ftrl, which hashes values, or let categories be rates: linear({ categories: "rates" })',
    retryable: false,
    status: 413,
  },
  MR_MODEL_COLUMN: {
    what: (d: { feature: number; row: number; got: string }) =>
      `feature ${d.feature} in row ${d.row} must be finite or missing, got ${d.got}`,
    fix: (_: { feature: number; row: number; got: string }) =>
      'clip the feature in its expression, or make it missing where it is infinite',
    retryable: false,
    status: 400,
  },
  MR_MODEL_TARGET: {
    what: (d: { row: number; expected: string; got: string }) =>
      `target of row ${d.row} must be ${d.expected}, got ${d.got}`,
    fix: (_: { row: number; expected: string; got: string }) =>
      'leave out rows without a target, or correct the target expression',
    retryable: false,
    status: 400,
  },
  MR_MODEL_ONE_CLASS: {
    what: (d: { value: number; rows: number }) =>
      `all ${d.rows} training rows have the target ${d.value}; two classes are needed`,
    fix: (_: { value: number; rows: number }) =>
      'check the target expression and widen the training window until both classes occur',
    retryable: false,
    status: 400,
  },
  MR_MODEL_CLASSES: {
    what: (d: { max: number; got: number }) =>
      `the target has ${d.got} classes; boosting takes from 2 to ${d.max}, as each is a tree a round`,
    fix: (d: { max: number; got: number }) =>
      d.got > d.max
        ? `join rare classes until there are at most ${d.max}, or rank instead of classifying`
        : 'check the target expression and widen the training window until two classes occur',
    retryable: false,
    status: 400,
  },
  MR_MODEL_GROUPS: {
    what: (d: { place: string; expected: string; got: string }) =>
      `queries of the rows: ${d.place} must ${d.expected}, got ${d.got}`,
    fix: (_: { place: string; expected: string; got: string }) =>
      'order the rows by query and give the row at which each query begins, ascending from 0',
    retryable: false,
    status: 400,
  },
  MR_MODEL_WEIGHT: {
    what: (d: { row: number; got: string }) =>
      `weight of row ${d.row} must be finite and not negative, with a positive sum, got ${d.got}`,
    fix: (_: { row: number; got: string }) => 'correct the weights, or leave them out',
    retryable: false,
    status: 400,
  },
  MR_MODEL_CATEGORY: {
    what: (d: { feature: number; row: number; max: number; got: string }) =>
      `category code of feature ${d.feature} in row ${d.row} must be an integer from 0 to ${d.max} or missing, got ${d.got}`,
    fix: (_: { feature: number; row: number; max: number; got: string }) =>
      'encode the categories as codes first (`.category()` in a feature does), or mark the feature as a number',
    retryable: false,
    status: 400,
  },
  MR_MODEL_DIVERGED: {
    what: (d: { epoch: number; learningRate: number }) =>
      `training diverged in epoch ${d.epoch}: the loss is no longer a number at learningRate ${d.learningRate}`,
    fix: (d: { epoch: number; learningRate: number }) =>
      `lower learningRate, e.g. to ${d.learningRate / 10}, or look for extreme values in features and target`,
    retryable: false,
    status: 422,
  },
  MR_MODEL_TABLE: {
    what: (d: { features: string; known: string[] }) =>
      `the model has no table of feature ${d.features}; it has tables of ${d.known.slice(0, 20).join(', ')}`,
    fix: (_: { features: string; known: string[] }) =>
      'name the features of one of its tables, by index and in their order',
    retryable: false,
    status: 400,
  },
  MR_MODEL_SLOPES: {
    what: (d: { operator: string; why: string }) =>
      `slopes of the network cannot be told: ${d.operator} with ${d.why.slice(0, 200)}`,
    fix: (_: { operator: string; why: string }) =>
      'networks of one picture with Conv, Gemm, MatMul, pooling, BatchNormalization, sums and the usual activations have slopes; of others, triggers are not looked for',
    retryable: false,
    status: 422,
  },
  MR_CHECKPOINT: {
    what: (d: { format: string; expected: string; got: string }) =>
      `this is no file of ${d.format}: expected ${d.expected}, got ${d.got}`,
    fix: (d: { format: string; expected: string; got: string }) =>
      `write it again with the tool that made it; files of ${d.format} are read by their name's end`,
    retryable: false,
    status: 422,
  },
  MR_MERGE_MODELS: {
    what: (d: { what: string; got: string }) => `merging models needs ${d.what}, got ${d.got}`,
    fix: (_: { what: string; got: string }) => 'see what it takes: millrace data merge-models --help',
    retryable: false,
    status: 400,
  },
}
