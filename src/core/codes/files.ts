/** Error texts of the area `files`: sets of files. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const files = {
  MR_FILES_ABSENT: {
    what: (d: { path: string }) => `there is no ${d.path} to add`,
    fix: (_: { path: string }) => 'name a file or a folder that is there',
    retryable: false,
    status: 404,
  },
  MR_FILES_SPECIAL: {
    what: (d: { path: string; kind: string }) =>
      `${d.path} is ${d.kind}: files, folders and symbolic links can be versioned`,
    fix: (_: { path: string; kind: string }) => 'take it away, or name it in .millraceignore',
    retryable: false,
    status: 422,
  },
  MR_FILES_CHANGING: {
    what: (d: { path: string; tries: number }) =>
      `${d.path} changed while it was read, ${d.tries} times over`,
    fix: (_: { path: string; tries: number }) => 'add it when what writes it has ended',
    retryable: true,
    status: 409,
  },
  MR_FILES_NAME_BYTES: {
    what: (d: { path: string }) => `the name of ${d.path} is no UTF-8`,
    fix: (_: { path: string }) =>
      'rename it, for example with convmv, or leave its folder out by .millraceignore',
    retryable: false,
    status: 422,
  },
  MR_FILES_PATH_LONG: {
    what: (d: { path: string; bytes: number; max: number }) =>
      `the path ${d.path.slice(0, 64)}… has ${d.bytes} bytes, at most ${d.max}`,
    fix: (_: { path: string; bytes: number; max: number }) =>
      'add a folder that is deeper in, or shorten names',
    retryable: false,
    status: 422,
  },
  MR_FILES_SAME_NAME: {
    what: (d: { name: string; paths: string[] }) =>
      `${d.paths.join(' and ')} would both be "${d.name}" in the set`,
    fix: (_: { name: string; paths: string[] }) => 'add the folder that holds both, or add them as two sets',
    retryable: false,
    status: 400,
  },
  MR_FILES_NOTHING: {
    what: (d: { paths: string[] }) => `nothing is left to add of ${d.paths.join(', ')}`,
    fix: (_: { paths: string[] }) => 'look into .millraceignore, or name a folder that holds files',
    retryable: false,
    status: 422,
  },
  MR_FILES_TAKEN: {
    what: (d: { name: string }) => `"${d.name}" is a dataset, so that a set of files cannot have the name`,
    fix: (d: { name: string }) => `choose another: --name ${d.name}-files`,
    retryable: false,
    status: 409,
  },
  MR_FILES_MOVED: {
    what: (d: { name: string; branch: string; expected: string; holds: string }) =>
      `${d.name}@${d.branch} moved meanwhile: this was built on ${d.expected}, but ${d.holds} is current now`,
    fix: (_: { name: string; branch: string; expected: string; holds: string }) =>
      'run it again: it will build on the current version, and what was stored is not stored again',
    retryable: true,
    status: 409,
  },
  MR_FILES_MAIN: {
    what: (d: { name: string }) => `the branch main of ${d.name} cannot be dropped`,
    fix: (_: { name: string }) => 'drop another branch; "millrace gc" lets old versions go',
    retryable: false,
    status: 409,
  },
  MR_FILES_PICK: {
    what: (d: { path: string; open: string[]; more: number }) =>
      `${d.path} was decided by hand, but is no conflict of this merge; those are ${d.open.length === 0 ? 'none' : d.open.join(', ')}${d.more > 0 ? ` and ${d.more} more` : ''}`,
    fix: (_: { path: string; open: string[]; more: number }) =>
      'name a path that is a conflict; "millrace data merge <set> <branch> --dry-run" lists them',
    retryable: false,
    status: 400,
  },
  MR_FILES_VERSION: {
    what: (d: { name: string; known: string[] }) =>
      `no version of files is called "${d.name}"; known: ${d.known.length === 0 ? 'none' : d.known.slice(0, 12).join(', ')}`,
    fix: (_: { name: string; known: string[] }) =>
      'name it as photos, photos@main~1 (one before) or by its digest; see `millrace data log <name>`',
    retryable: false,
    status: 404,
  },
  MR_FILES_NO_FILE: {
    what: (d: { version: string; path: string }) => `${d.version} has no file ${d.path}`,
    fix: (d: { version: string; path: string }) => `see what it has: millrace data show ${d.version}`,
    retryable: false,
    status: 404,
  },
  MR_FILES_PATH: {
    what: (d: { path: string }) =>
      `the path ${JSON.stringify(d.path.slice(0, 64))} of a version leads out of it, or is none`,
    fix: (_: { path: string }) =>
      'the version was not written by Millrace: do not use it, and ask who made it',
    retryable: false,
    status: 422,
  },
  MR_FILES_TREE: {
    what: (d: { digest: string; why: string }) => `the tree of files at ${d.digest} cannot be read: ${d.why}`,
    fix: (_: { digest: string; why: string }) => 'the version was not written by Millrace: do not use it',
    retryable: false,
    status: 422,
  },
  MR_FILES_PACK: {
    what: (d: { pack: string; path: string; why: string }) =>
      `the pack ${d.pack} cannot be read: ${d.why} (${d.path})`,
    fix: (_: { pack: string; path: string; why: string }) =>
      'run "millrace data verify" to see what it holds; fetch the pack from a remote or a backup, or add the files again',
    retryable: false,
    status: 500,
  },
  MR_FILES_DAMAGED: {
    what: (d: { pack: string; path: string; chunk: string }) =>
      `chunk ${d.chunk} of the pack ${d.pack} has other bytes than were written (${d.path})`,
    fix: (_: { pack: string; path: string; chunk: string }) =>
      'run "millrace data verify" to see which files it touches; fetch the pack from a remote or a backup, or add the files again',
    retryable: false,
    status: 500,
  },
  MR_FILES_UNSAVED: {
    what: (d: { folder: string; paths: string[]; more: number }) =>
      `${d.folder} has changes that no version holds: ${d.paths.join(', ')}${d.more > 0 ? ` and ${d.more} more` : ''}`,
    fix: (_: { folder: string; paths: string[]; more: number }) =>
      'add them first (millrace data add), check out elsewhere (--to), or give them up with --force',
    retryable: false,
    status: 409,
  },
  MR_FILES_BLOCKED: {
    what: (d: { path: string; why: string }) => `${d.path} cannot be written: ${d.why}`,
    fix: (_: { path: string; why: string }) =>
      'take away what is in the way, or check out elsewhere: --to <folder>',
    retryable: false,
    status: 409,
  },
  MR_FILES_LINK: {
    what: (d: { path: string; link: string }) =>
      `${d.path} cannot be made by ${d.link} here: the file system does not do it`,
    fix: (_: { path: string; link: string }) =>
      'use --link copy, or keep the state folder on the same file system (--state)',
    retryable: false,
    status: 422,
  },
  MR_FILES_DIFF_KINDS: {
    what: (d: { files: string; other: string }) =>
      `${d.files} is a set of files and ${d.other} is none: they cannot be compared`,
    fix: (d: { files: string; other: string }) =>
      `compare two versions: millrace data diff ${d.files}~1 ${d.files}`,
    retryable: false,
    status: 400,
  },
}
