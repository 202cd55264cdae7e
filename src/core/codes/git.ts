/** Error texts of what stands beside code in git: the lock file, and files of DVC. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const git = {
  MR_LOCK_SYNTAX: {
    what: (d: { line: number; got: string; expected: string }) =>
      `millrace.lock, line ${d.line}: expected ${d.expected}${d.got === '' ? '' : `, got "${d.got}"`}`,
    fix: (_: { line: number; got: string; expected: string }) =>
      'put the line right, or write the file anew: millrace data lock',
    retryable: false,
    status: 422,
  },
  MR_LOCK_UNKNOWN: {
    what: (d: { name: string; known: string[] }) =>
      `"${d.name}" is not pinned: there are ${d.known.length === 0 ? 'no versions' : d.known.join(', ')}`,
    fix: (d: { name: string; known: string[] }) => `pin it: millrace data lock ${d.name}`,
    retryable: false,
    status: 404,
  },
  MR_LOCK_ABSENT: {
    what: (d: { name: string; digest: string }) =>
      `millrace.lock pins "${d.name}" to ${d.digest}, which is not in this store`,
    fix: (_: { name: string; digest: string }) =>
      'bring it: millrace data pull; or pin what is here: millrace data lock',
    retryable: false,
    status: 404,
  },
  MR_DVC_FORMAT: {
    what: (d: { file: string; why: string }) => `${d.file} is no file of DVC that can be read: ${d.why}`,
    fix: (_: { file: string; why: string }) =>
      'name a .dvc file or a dvc.lock whose outs have md5; what DVC keeps in a cloud by version is not read',
    retryable: false,
    status: 422,
  },
  MR_DVC_MISSING: {
    what: (d: { file: string; path: string; md5: string }) =>
      `${d.path}, which ${d.file} tracks, is neither in the workspace nor in the cache of DVC with md5 ${d.md5}`,
    fix: (d: { file: string; path: string; md5: string }) => `bring it with DVC: dvc pull ${d.file}`,
    retryable: false,
    status: 422,
  },
}
