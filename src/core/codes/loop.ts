/** Error texts of the area `loop`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const loop = {
  MR_LOOP_UNKNOWN: {
    what: (d: { what: string; name: string; known: string[] }) =>
      `the project has no ${d.what} "${d.name.slice(0, 64)}"`,
    fix: (d: { what: string; name: string; known: string[] }) =>
      d.known.length > 0
        ? `use one of: ${d.known.slice(0, 20).join(', ')}`
        : `add a ${d.what} to millrace.config.ts`,
    retryable: false,
    status: 404,
  },
  MR_LINEAGE_TARGET: {
    what: (d: { got: string }) => `lineage cannot be sent to "${d.got.slice(0, 64)}"`,
    fix: (_: { got: string }) =>
      'name stdout, a file (file:lineage.jsonl) or a server (http://host:5000), by --to, OPENLINEAGE_URL or OPENLINEAGE__TRANSPORT__TYPE with its settings',
    retryable: false,
    status: 400,
  },
  MR_LINEAGE_NONE: {
    what: (_: Record<never, never>) => 'nothing says where lineage is sent to',
    fix: (_: Record<never, never>) =>
      'name it: --to stdout, --to file:lineage.jsonl, --to http://host:5000, or OPENLINEAGE_URL',
    retryable: false,
    status: 400,
  },
  MR_LOOP_NO_DATA: {
    what: (d: { dataset: string }) => `dataset "${d.dataset}" has no version yet`,
    fix: (d: { dataset: string }) => `import it: millrace data import ${d.dataset}`,
    retryable: false,
    status: 409,
  },
  MR_LOOP_NO_RELEASE: {
    what: (d: { model: string }) => `model "${d.model}" has no release`,
    fix: (d: { model: string }) => `train and release it: millrace run ${d.model}`,
    retryable: false,
    status: 409,
  },
  MR_LOOP_NOTHING_BEFORE: {
    what: (d: { model: string; version: number }) =>
      `nothing was live before v${d.version} of model "${d.model}", so there is nothing to go back to`,
    fix: (_: { model: string; version: number }) => 'train and release another version, or stop the server',
    retryable: false,
    status: 409,
  },
  MR_LOOP_GATES_CLOSED: {
    what: (d: { model: string; version: number; failed: string[] }) =>
      `v${d.version} of model "${d.model}" did not pass its gates: ${d.failed.join('; ')}`,
    fix: (d: { model: string; version: number; failed: string[] }) =>
      `see millrace gate ${d.model}, then change the data, the features or the gate`,
    retryable: false,
    status: 409,
  },
  MR_LOOP_PREDICTION_UNKNOWN: {
    what: (d: { id: string }) => `no prediction "${d.id.slice(0, 64)}" is in the log`,
    fix: (_: { id: string }) =>
      'check the id: every answer carries its own; old ones may have been dropped, and a model may keep a sample only (serve.log)',
    retryable: false,
    status: 404,
  },
  MR_LOOP_NOT_LOGGED: {
    what: (d: { id: string; columns: string[] }) =>
      `the log does not have ${d.columns.slice(0, 10).join(', ')} of prediction "${d.id.slice(0, 64)}", by the policy of its model`,
    fix: (_: { id: string; columns: string[] }) =>
      'give the row itself: --row <json>; or keep these inputs from now on (serve.log in the config)',
    retryable: false,
    status: 409,
  },
  MR_LOOP_EXPLAIN: {
    what: (d: { model: string; why: string; fix: string }) =>
      `model "${d.model}" cannot be explained: ${d.why}`,
    fix: (d: { model: string; why: string; fix: string }) => d.fix,
    retryable: false,
    status: 409,
  },
  MR_LOOP_COMPARE: {
    what: (d: { before: string; after: string; why: string }) =>
      `versions ${d.before} and ${d.after} cannot be compared by what they answer: ${d.why}`,
    fix: (_: { before: string; after: string; why: string }) =>
      'name two versions whose training runs this store holds (millrace status says which there are), or train the newer one here',
    retryable: false,
    status: 409,
  },
  MR_LOOP_MOVED: {
    what: (d: { model: string }) => `the release of model "${d.model}" was moved by somebody else meanwhile`,
    fix: (d: { model: string }) =>
      `look at it (millrace status ${d.model}) and run the command again if it is still wanted`,
    retryable: true,
    status: 409,
  },
  MR_LOOP_BACKTEST: {
    what: (d: { why: string; fix: string }) => `this backtest cannot be planned: ${d.why}`,
    fix: (d: { why: string; fix: string }) => d.fix,
    retryable: false,
    status: 400,
  },
}
