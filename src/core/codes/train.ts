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
    what: (d: { model: string; value: number | string; rows: number }) =>
      `the target of model "${d.model}" is ${typeof d.value === 'string' ? `"${d.value.slice(0, 64)}"` : d.value === 1 ? 'true' : 'false'} in all ${d.rows} training rows; two classes are needed`,
    fix: (_: { model: string; value: number | string; rows: number }) =>
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
  MR_TRAIN_CLASSES_MAX: {
    what: (d: { model: string; classes: number; max: number }) =>
      `the target of model "${d.model}" has ${d.classes} classes in the training rows, at most ${d.max} can be told apart`,
    fix: (d: { model: string; classes: number; max: number }) =>
      `predict a coarser column, make the target a question (col('column').eq('value')), or raise limits.classesMax above ${d.max}`,
    retryable: false,
    status: 400,
  },
  MR_TRAIN_CLASSES_UNSEEN: {
    what: (d: { model: string; split: string; unseen: number; rows: number; examples: string[] }) =>
      `${d.unseen} of ${d.rows} rows that ${d.split} model "${d.model}" have classes that no training row has (${d.examples.map((e) => JSON.stringify(e.slice(0, 32))).join(', ')})`,
    fix: (_: { model: string; split: string; unseen: number; rows: number; examples: string[] }) =>
      "train on a longer window, or divide rows at random: split: { by: 'random' }",
    retryable: false,
    status: 400,
  },
  MR_TRAIN_TASK: {
    what: (d: { model: string; trainer: string; task: string; tasks: readonly string[] }) =>
      `trainer "${d.trainer}" makes ${d.tasks.join(' or ')} models, and model "${d.model}" is ${d.task}`,
    fix: (d: { model: string; trainer: string; task: string; tasks: readonly string[] }) =>
      `use another trainer, e.g. trainer: gbdt(), or make the model ${d.tasks.join(' or ')}: task: '${d.tasks[0]}'`,
    retryable: false,
    status: 400,
  },
  MR_TRAIN_RATE: {
    what: (d: { model: string; feature: string }) =>
      `feature "${d.feature}" of model "${d.model}" is a rate of the target, and a target of several classes has no mean`,
    fix: (d: { model: string; feature: string }) =>
      `make "${d.feature}" a category: col('column').category()`,
    retryable: false,
    status: 400,
  },
  MR_TRAIN_GROUPS: {
    what: (d: { model: string; split: string; need: number; got: number; group: string }) =>
      `model "${d.model}" needs ${d.need} groups of "${d.group}" to ${d.split}, got ${d.got}`,
    fix: (d: { model: string; split: string; need: number; got: number; group: string }) =>
      `check that "${d.group}" names the query of a row, import more groups, or give "${d.split}" a larger part in the model's split`,
    retryable: false,
    status: 400,
  },
  MR_TRAIN_IMPORTED_TASK: {
    what: (d: { file: string; task: string; asked: string }) =>
      `the model in ${d.file} is for ${d.task}, but the task is ${d.asked}`,
    fix: (d: { file: string; task: string; asked: string }) =>
      `set task: '${d.task}' and a target that fits it, or import a model for ${d.asked}`,
    retryable: false,
    status: 400,
  },
  MR_TRAIN_IMPORTED_NAMES: {
    what: (d: { need: number; got: number }) =>
      `the model file has ${d.need} columns, but ${d.got} names were given`,
    fix: (d: { need: number; got: number }) =>
      `give ${d.need} names in the order of the columns: imported(file, { features: [...] })`,
    retryable: false,
    status: 400,
  },
  MR_TRAIN_GRAPH: {
    what: (d: { trainer: string }) =>
      `trainer "${d.trainer}" must give a model that Millrace scores itself here, got a network for ONNX Runtime`,
    fix: (_: { trainer: string }) =>
      'let it give trees, a linear model or a feed-forward network with ReLU or GELU, or use it alone',
    retryable: false,
    status: 400,
  },
  MR_TRAIN_NETWORK: {
    what: (d: { file: string; expected: string; got: string }) =>
      `the network in ${d.file} must have ${d.expected}, got ${d.got}`,
    fix: (_: { file: string; expected: string; got: string }) =>
      "look at it with `millrace model show`, then say what it takes and gives: imported(file, { features: [...], classes: [...], output: 'name', gives: 'probabilities' or 'scores' })",
    retryable: false,
    status: 400,
  },
  MR_TRAIN_IMPORTED_FILE: {
    what: (d: { file: string; reason: string }) => `the model file ${d.file} cannot be read: ${d.reason}`,
    fix: (_: { file: string; reason: string }) =>
      'give the path of the file relative to millrace.config.ts, and put the file there',
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
  MR_TRAIN_NO_SEARCH: {
    what: (d: { model: string }) => `model "${d.model}" has no parameters to search`,
    fix: (_: { model: string }) =>
      "name them in the config: trainer: search({ over: gbdt(), space: { leaves: range(8, 255, 'log') } })",
    retryable: false,
    status: 400,
  },
  MR_TRAIN_NO_TRIAL: {
    what: (d: { model: string; trials: number; why: string }) =>
      `none of the ${d.trials} trials of model "${d.model}" could be measured: ${d.why}`,
    fix: (_: { model: string; trials: number; why: string }) =>
      'train the model without the search once, to see whether its own parameters work; then narrow the space',
    retryable: false,
    status: 400,
  },
  MR_TRAIN_TRIAL_VALUE: {
    what: (d: { metric: string; rows: number }) =>
      `the metric ${d.metric} is not defined on the ${d.rows} rows that a trial is measured on`,
    fix: (_: { metric: string; rows: number }) =>
      'search with fewer folds, so that each has rows of every class, or by another metric',
    retryable: false,
    status: 400,
  },
  MR_TRAIN_COMMAND_ABSENT: {
    what: (d: { command: string; why: string }) => `the trainer "${d.command}" cannot be started: ${d.why}`,
    fix: (_: { command: string; why: string }) =>
      'install it, or name it by its absolute path; files of the project are named in `files`',
    retryable: false,
    status: 400,
  },
  MR_TRAIN_COMMAND_FAILED: {
    what: (d: { command: string; why: string; log: string }) =>
      `the trainer "${d.command}" ended with ${d.why}; the end of what it said:\n${d.log.trimEnd() || '(nothing)'}`,
    fix: (_: { command: string; why: string; log: string }) => 'correct the trainer, and train again',
    retryable: false,
    status: 400,
  },
  MR_TRAIN_COMMAND_TIME: {
    what: (d: { command: string; limitMs: number }) =>
      `the trainer "${d.command}" took longer than ${Math.round(d.limitMs / 1000)} s and was ended`,
    fix: (_: { command: string; limitMs: number }) =>
      "give it more: command({ …, time: '4h' }); checkpoints that it wrote are there when it is run again",
    retryable: false,
    status: 400,
  },
  MR_TRAIN_COMMAND_MEMORY: {
    what: (d: { command: string; limitMb: number; usedMb: number }) =>
      `the trainer "${d.command}" took ${d.usedMb} MB of the ${d.limitMb} MB it may take, and was ended`,
    fix: (_: { command: string; limitMb: number; usedMb: number }) =>
      'give it more: command({ …, memoryMb: 16384 }), or train on less history',
    retryable: false,
    status: 400,
  },
  MR_TRAIN_COMMAND_RESULT: {
    what: (d: { command: string; expected: string; got: string }) =>
      `the trainer "${d.command}" must leave ${d.expected} in its output folder, got ${d.got}`,
    fix: (d: { command: string; expected: string; got: string }) =>
      `let it leave ${d.expected}; see docs/guides/any-trainer.md`,
    retryable: false,
    status: 400,
  },
  MR_TRAIN_FILES: {
    what: (d: { path: string; why: string }) => `the trainer's file "${d.path}" ${d.why}`,
    fix: (_: { path: string; why: string }) =>
      'name files and folders below the folder of the config in `files`, without data or environments',
    retryable: false,
    status: 400,
  },
  MR_TRAIN_PARTS: {
    what: (d: { trainer: string; part: string; expected: string; got: string }) =>
      `${d.trainer} cannot have ${d.part} as a part: it must be ${d.expected}, got ${d.got}`,
    fix: (d: { trainer: string; part: string; expected: string; got: string }) =>
      `leave ${d.part} out of ${d.trainer}, or put a trainer that is ${d.expected} in its place`,
    retryable: false,
    status: 400,
  },
  MR_TRAIN_HEAD: {
    what: (d: { network: string; expected: string; got: string }) =>
      `a head needs ${d.expected}; ${d.network} is or has ${d.got}`,
    fix: (_: { network: string; expected: string; got: string }) =>
      'give the model the features that the network takes, in its order; a layer may be a number or the name of a tensor',
    retryable: false,
    status: 400,
  },
  MR_TRAIN_LEAK: {
    what: (d: { model: string; feature: string; columns: string[] }) =>
      `feature "${d.feature}" of model "${d.model}" is the target under another name: ${d.columns.map((c) => `"${c}"`).join(', ')} alone ${d.columns.length > 1 ? 'decide' : 'decides'} every row`,
    fix: (d: { model: string; feature: string; columns: string[] }) =>
      `leave the feature out; where ${d.columns.length > 1 ? 'they are' : 'it is'} really known before the answer is, say so: leaksAllowed: [${d.columns.map((c) => `'${c}'`).join(', ')}]`,
    retryable: false,
    status: 422,
  },
  MR_TRAIN_COMPARE_ROWS: {
    what: (d: { model: string; classes: string[] }) =>
      `model "${d.model}" cannot be tried without the rows: ${d.classes.length === 0 ? 'other rows would test it' : `no row is left to learn ${d.classes.slice(0, 5).join(', ')} from`}`,
    fix: (_: { model: string; classes: string[] }) =>
      'leave some training rows of every class on the branch: choose fewer rows with a filter',
    retryable: false,
    status: 422,
  },
  MR_TRAIN_WORTH_TASK: {
    what: (d: { model: string; task: string }) =>
      `rows of model "${d.model}" are judged by their labels, one each, and its task is ${d.task}`,
    fix: (_: { model: string; task: string }) =>
      'ask for a model whose target is a yes or no, a text or a number',
    retryable: false,
    status: 422,
  },
  MR_TRAIN_WORTH_VECTOR: {
    what: (d: { column: string; why: string }) => `rows cannot be compared by "${d.column}": ${d.why}`,
    fix: (_: { column: string; why: string }) =>
      'name a column that holds a list of as many numbers in each row, or a layer of the network of a head() or imported() model; without, the features are compared',
    retryable: false,
    status: 422,
  },
  MR_TRAIN_WORTH_SOURCES: {
    what: (d: { model: string; column: string; max: number; got: number }) =>
      `column "${d.column}" should say where rows of model "${d.model}" come from, with at most ${d.max} values; it has ${d.got}`,
    fix: (_: { model: string; column: string; max: number; got: number }) =>
      'name a column with fewer values, or leave --source out',
    retryable: false,
    status: 422,
  },
  MR_TRAIN_POISON_TASK: {
    what: (d: { model: string; task: string }) =>
      `poison is looked for in classes, and the task of model "${d.model}" is ${d.task}`,
    fix: (_: { model: string; task: string }) =>
      'ask for a model whose target is a yes or no or a text; a number can be made one, e.g. target: col("delay").gt(15)',
    retryable: false,
    status: 422,
  },
  MR_TRAIN_POISON_LAYER: {
    what: (d: { model: string; expected: string; got: string }) =>
      `poison in the rows of model "${d.model}" is looked for in one of its layers: needed ${d.expected}, got ${d.got.slice(0, 64)}`,
    fix: (_: { model: string; expected: string; got: string }) =>
      'name another layer with --layer, or train a model that has one, e.g. trainer: gbdt() or mlp()',
    retryable: false,
    status: 422,
  },
  MR_TRAIN_POISON_FEATURES: {
    what: (d: { model: string; trained: number; now: number }) =>
      `model "${d.model}" was trained on ${d.trained} features that are not the ${d.now} of the config`,
    fix: (d: { model: string; trained: number; now: number }) =>
      `train it again: millrace train ${d.model.split('/')[0]}`,
    retryable: false,
    status: 409,
  },
}
