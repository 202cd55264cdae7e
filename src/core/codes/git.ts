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
  MR_LOCK_PROJECT: {
    what: (d: { file: string; of: string; project: string }) =>
      `${d.file} pins versions of project "${d.of}", this is project "${d.project}"`,
    fix: (d: { file: string; of: string; project: string }) =>
      `take the lock of ${d.project} from git, or write it anew where the project was renamed: millrace data lock`,
    retryable: false,
    status: 409,
  },
  MR_LOCK_NONE: {
    what: (d: { file: string; folder: string }) => `there is no ${d.file} in ${d.folder}`,
    fix: (_: { file: string; folder: string }) =>
      'name the file, or write one from what is here: millrace data lock',
    retryable: false,
    status: 404,
  },
  MR_LOCK_MOVED: {
    what: (d: { file: string; name: string }) => `${d.name} moved while ${d.file} was checked out`,
    fix: (_: { file: string; name: string }) => 'check it out again: no ref was moved',
    retryable: true,
    status: 409,
  },
  MR_LOCK_KIND: {
    what: (d: { name: string; digest: string; is: string }) =>
      `millrace.lock pins ${d.name} to ${d.digest}, which is ${d.is}`,
    fix: (d: { name: string; digest: string; is: string }) =>
      `put the line right, or write it anew: millrace data lock ${d.name.replace(/^\w+\/|@.*$/g, '')}`,
    retryable: false,
    status: 422,
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
