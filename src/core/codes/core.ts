/** Error texts of the area `core`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const core = {
  MR_LIMIT: {
    what: (d: { limit: string; max: number; got: number; unit: string }) =>
      `${d.limit} is at most ${d.max} ${d.unit}, got ${d.got}`,
    fix: (d: { limit: string; max: number; got: number; unit: string }) =>
      `send less at once, or raise the limit "${d.limit}" in the config's limits`,
    retryable: false,
    status: 413,
  },
  MR_NAME: {
    what: (d: { what: string; name: string }) =>
      `${d.what} must begin with a letter or digit and hold letters, digits, ".", "_", "-" or spaces (100 characters at most), got ${JSON.stringify(d.name.slice(0, 64))}`,
    fix: (d: { what: string; name: string }) => `rename the ${d.what}`,
    retryable: false,
    status: 400,
  },
  MR_CANCELLED: {
    what: (d: { what: string }) => `${d.what} was cancelled`,
    fix: (_: { what: string }) => 'run the same command again; finished work is kept',
    retryable: true,
    status: 499,
  },
  MR_PORT_TAKEN: {
    what: (d: { host: string; port: number }) => `port ${d.port} on ${d.host} is in use by another process`,
    fix: (d: { host: string; port: number }) =>
      `stop that process, or choose another port: --port ${d.port + 1} (0 takes any free one)`,
    retryable: true,
    status: 500,
  },
  MR_NO_SPACE: {
    what: (d: { path: string }) => `the disk that holds ${d.path} is full`,
    fix: (_: { path: string }) =>
      'free some space and run the same command again; nothing that was acknowledged is lost. In the state folder, `cache` can be deleted; with a little room `millrace gc --keep-versions 5` frees what old versions hold, and `--dry-run` says how much',
    retryable: true,
    status: 507,
  },
  MR_NO_PERMISSION: {
    what: (d: { path: string; act: string }) => `no permission to ${d.act} ${d.path}`,
    fix: (d: { path: string; act: string }) =>
      `make ${d.path} writable for this user, or use --state <folder>`,
    retryable: false,
    status: 500,
  },
}
