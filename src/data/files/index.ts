/** Versions of files and folders of anything: chunks in packs, shared by all versions and sets. */
export { type AddPlan, type AddRequest, type AddResult, addFiles, nameOfSet, planAdd } from './add.ts'
export {
  branchesOfFiles,
  branchFiles,
  dropFileBranch,
  type FileBranchResult,
} from './branches.ts'
export { type CheckoutRequest, type CheckoutResult, checkoutFiles } from './checkout.ts'
export { diffFiles, type FilesDiff } from './diff-files.ts'
export { diffModels, type ModelDiff } from './diff-models.ts'
export { type ChunkRef, type FileEntry, MODE } from './entry.ts'
export { LINK_CHOICES, type LinkChoice } from './file-maker.ts'
export { rebuildIndex } from './known-chunks.ts'
export { type FilePick, type MergeFilesRequest, type MergeFilesResult, mergeFiles } from './merge-files.ts'
export { FILE_SIDES, type FileSide } from './merge-paths.ts'
export { Packs } from './packs.ts'
export { packEraser, packRewriter } from './repack.ts'
export { openInSet, StoredFile } from './stored-file.ts'
export { fileSource } from './tensor-borders.ts'
export { readTree } from './tree.ts'
export { type FilesVerification, verifyFiles } from './verify-files.ts'
export {
  type FilesLogRow,
  fileSetNames,
  filesLog,
  headOfFiles,
  type NamedFiles,
  namesFiles,
  resolveFileSet,
} from './versions.ts'
