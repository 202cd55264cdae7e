/** Error texts of the area `remote`: garbage collection, remotes and verification. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const remote = {
  MR_GC_RUNNING: {
    what: (d: { path: string }) =>
      `a garbage collection of this store is under way: another process holds ${d.path}`,
    fix: (d: { path: string }) => `wait for it, or find the process: lsof ${d.path}`,
    retryable: true,
    status: 409,
  },
  MR_GC_DAMAGED: {
    what: (d: { digest: string }) =>
      `nothing was collected: the record ${d.digest} is damaged, so what it still needs is not known`,
    fix: (_: { digest: string }) => 'run "millrace verify --repair", then collect again',
    retryable: false,
    status: 409,
  },
  MR_GC_MOVED: {
    what: (d: { tries: number }) => `history was not cut: refs of runs moved during each of ${d.tries} tries`,
    fix: (_: { tries: number }) => 'try again when less is at work',
    retryable: true,
    status: 409,
  },
  MR_REMOTE_AT_WORK: {
    what: (d: { remote: string; work: 'push' | 'gc'; secondsAgo: number }) =>
      `remote "${d.remote}" is at work: a ${d.work === 'gc' ? 'collection' : 'push'} said ${d.secondsAgo} s ago that it is under way, and objects may come and go`,
    fix: (d: { work: 'push' | 'gc' }) =>
      `try again when it has ended; that of a ${d.work === 'gc' ? 'collection' : 'push'} on another machine which was killed is passed over after a quarter of an hour`,
    retryable: true,
    status: 409,
  },
  MR_REMOTE_LEASE: {
    what: (d: { remote: string }) =>
      `remote "${d.remote}" could not be told for five minutes that this is still at work, so nothing more was changed there`,
    fix: (_: { remote: string }) => 'see whether the remote answers, and run it again: it goes on from there',
    retryable: true,
    status: 503,
  },
  MR_REMOTE_ABSENT: {
    what: (d: { remote: string; url: string }) =>
      `remote "${d.remote}" has nothing yet: there is no Millrace remote at ${d.url}`,
    fix: (d: { remote: string; url: string }) =>
      `push something first: millrace data push --remote ${d.remote}; or check the address`,
    retryable: false,
    status: 404,
  },
  MR_REMOTE_FOREIGN: {
    what: (d: { remote: string; url: string; found: string }) =>
      `remote "${d.remote}" would lie in ${d.url}, which holds something else: ${d.found}`,
    fix: (_: { remote: string; url: string; found: string }) =>
      'choose an empty or a new folder or prefix for the remote',
    retryable: false,
    status: 409,
  },
  MR_REMOTE_MISSING: {
    what: (d: { remote: string; digest: string }) =>
      `remote "${d.remote}" does not have object ${d.digest}, which its refs need`,
    fix: (d: { remote: string; digest: string }) =>
      `push it again from a store that has it: millrace data push --recheck --remote ${d.remote}`,
    retryable: false,
    status: 502,
  },
  MR_REMOTE_CORRUPT: {
    what: (d: { remote: string; digest: string; found: string }) =>
      `what remote "${d.remote}" gave as ${d.digest} has the digest ${d.found}; it was not taken`,
    fix: (d: { remote: string; digest: string; found: string }) =>
      `try again; if it stays so, remove that object from the remote and push it again from a store that has it: millrace data push --recheck --remote ${d.remote}`,
    retryable: true,
    status: 502,
  },
  MR_REMOTE_INCOMPLETE: {
    what: (d: { digest: string; by: string | null; state: string }) =>
      `nothing was pushed: object ${d.digest}${d.by ? `, which ${d.by} names,` : ''} is ${d.state} here`,
    fix: (_: { digest: string; by: string | null; state: string }) =>
      'run "millrace verify --repair", then push again',
    retryable: false,
    status: 409,
  },
  MR_REMOTE_NOTHING: {
    what: (d: { name: string; where: string; known: string[] }) =>
      `nothing in ${d.where} is called "${d.name}"`,
    fix: (d: { name: string; where: string; known: string[] }) =>
      d.known.length === 0
        ? 'import or push something first'
        : `name one of these: ${d.known.slice(0, 10).join(', ')}${d.known.length > 10 ? ` and ${d.known.length - 10} more` : ''}`,
    retryable: false,
    status: 404,
  },
  MR_REMOTE_LOCAL_MOVED: {
    what: (d: { remote: string; tries: number }) =>
      `the pull from "${d.remote}" moved no ref: refs of this store moved during each of ${d.tries} tries`,
    fix: (_: { remote: string; tries: number }) =>
      'pull again when less is at work; what was received is kept',
    retryable: true,
    status: 409,
  },
  MR_REMOTE_UNKNOWN: {
    what: (d: { name: string; known: string[] }) =>
      `there is no remote "${d.name}": ${d.known.length === 0 ? 'the config has none' : `the config has ${d.known.join(', ')}`}`,
    fix: (d: { name: string; known: string[] }) =>
      `write it into the config: project('…', { remotes: { ${d.name.replace(/[^A-Za-z0-9_]/g, '') || 'origin'}: 's3://bucket/prefix' } }), or give --remote a folder or an s3:// URL`,
    retryable: false,
    status: 404,
  },
  MR_REMOTE_URL: {
    what: (d: { url: string; why: string }) => `"${d.url}" is no remote: ${d.why}`,
    fix: (_: { url: string; why: string }) =>
      'give a folder, file:/path, or s3://bucket/prefix?endpoint=https://host&region=name',
    retryable: false,
    status: 400,
  },
  MR_REMOTE_CREDENTIALS: {
    what: (d: { profile: string }) =>
      `there are no keys for the S3 API: neither in the environment nor in profile "${d.profile}"`,
    fix: (_: { profile: string }) =>
      'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE for a profile of ~/.aws/credentials; keys of single sign-on come by: eval "$(aws configure export-credentials --format env)"',
    retryable: false,
    status: 401,
  },
  MR_REMOTE_DENIED: {
    what: (d: Answered) =>
      `remote "${d.remote}" (${d.url}) refused ${d.request}: ${d.status} ${d.code}: ${d.said}`,
    fix: (_: Answered) =>
      'check the keys, the clock of this machine, and that they may list, read and write there (s3:ListBucket, s3:GetObject, s3:PutObject)',
    retryable: false,
    status: 403,
  },
  MR_REMOTE_ANSWER: {
    what: (d: Answered) =>
      `remote "${d.remote}" (${d.url}) answered ${d.request} with ${d.status} ${d.code}: ${d.said}`,
    fix: (d: Answered) =>
      d.code === 'NoSuchBucket'
        ? 'make the bucket first, or name another one'
        : 'try again; if it stays so, the server says above what it wants',
    retryable: true,
    status: 502,
  },
  MR_REMOTE_UNREACHABLE: {
    what: (d: { remote: string; url: string; why: string }) =>
      `remote "${d.remote}" cannot be reached at ${d.url}: ${d.why}`,
    fix: (_: { remote: string; url: string; why: string }) =>
      'check the address and the network, then do it again: what was transferred is kept',
    retryable: true,
    status: 502,
  },
}

export interface Answered {
  remote: string
  url: string
  status: number
  code: string
  said: string
  request: string
}
