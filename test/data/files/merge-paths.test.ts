/** Merges by path: laws over generated sets, and git's own merge of trees as the judge of which paths conflict. */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type FileEntry, MODE } from '../../../src/data/files/index.ts'
import { mergePaths } from '../../../src/data/files/merge-paths.ts'
import { byPath } from '../../../src/data/files/paths.ts'

const CASES = Number(process.env.MILLRACE_CASES ?? 8)
const [, major, minor] = /(\d+)\.(\d+)/.exec(spawnSync('git', ['--version']).stdout?.toString() ?? '') ?? []
/** `git merge-tree --write-tree` came with 2.38. */
const CAN_JUDGE = Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 38)
if (!CAN_JUDGE) console.warn('git 2.38 or newer is not here: its merges are not compared with ours')

type Tree = Record<string, string>

/** A file with some text; `*` before it for one that can be run. */
const entryOf = ([path, text]: [string, string]): FileEntry => ({
  path,
  mode: text.startsWith('*') ? MODE.executable : MODE.file,
  bytes: text.length,
  digest: Buffer.from(text.replace('*', '')).toString('hex').padEnd(64, '0'),
  place: { in: 'nothing' },
})
/** Of no likeness to that of another path, so that git sees no file as moved. */
const contentOf = (path: string, text: string): string =>
  createHash('sha256')
    .update(`${path} ${text.replace('*', '')}`)
    .digest('hex')
const entriesOf = (tree: Tree): FileEntry[] => Object.entries(tree).map(entryOf).sort(byPath)
const plain = (entries: readonly FileEntry[]) => entries.map(({ path, mode, digest }) => [path, mode, digest])

const PATHS = ['a', 'a/x', 'a/y/z', 'b', 'b!', 'c/d', 'c/d/e', 'f']
const isFolderOf = (path: string, other: string) => other.startsWith(`${path}/`)

/** Trees in which no file lies where another has a folder. */
const tree = fc
  .dictionary(fc.constantFrom(...PATHS), fc.constantFrom('1', '2', '3', '*1', '*2'))
  .map((all): Tree => {
    const kept: Tree = {}
    for (const [path, text] of Object.entries(all).sort())
      if (!Object.keys(kept).some((other) => isFolderOf(other, path))) kept[path] = text
    return kept
  })

const merged = (base: Tree, ours: Tree, theirs: Tree, rest?: 'ours' | 'theirs') =>
  mergePaths({ base: entriesOf(base), ours: entriesOf(ours), theirs: entriesOf(theirs) }, { rest })

describe('merging by path', () => {
  it('is what the other side is where one has not moved', () => {
    fc.assert(
      fc.property(tree, tree, (base, other) => {
        for (const { entries, open } of [merged(base, base, other), merged(base, other, base)]) {
          expect(open).toEqual([])
          expect(plain(entries)).toEqual(plain(entriesOf(other)))
        }
        expect(plain(merged(base, other, other).entries)).toEqual(plain(entriesOf(other)))
      }),
    )
  })

  it('gives the same from both sides, and the same conflicts', () => {
    fc.assert(
      fc.property(tree, tree, tree, (base, ours, theirs) => {
        const [one, two] = [merged(base, ours, theirs), merged(base, theirs, ours)]
        const named = (list: typeof one.open) => list.map(({ path, kind }) => [path, kind])
        expect(named(one.open)).toEqual(named(two.open))
        if (one.open.length === 0) expect(plain(one.entries)).toEqual(plain(two.entries))
      }),
    )
  })

  it('has no file where another has a folder, however conflicts are decided', () => {
    fc.assert(
      fc.property(tree, tree, tree, fc.constantFrom('ours', 'theirs'), (base, ours, theirs, rest) => {
        const { entries, open } = merged(base, ours, theirs, rest as 'ours' | 'theirs')
        expect(open).toEqual([])
        const paths = entries.map(({ path }) => path)
        expect(paths.filter((path) => paths.some((other) => isFolderOf(path, other)))).toEqual([])
        expect(paths).toEqual(paths.toSorted())
      }),
    )
  })

  it.skipIf(!CAN_JUDGE)('finds a conflict where git does, and the same tree where it finds none', () => {
    const dir = mkdtempSync(`${tmpdir()}/millrace-git-`)
    const git = (args: string[], input?: string) =>
      execFileSync('git', args, {
        cwd: dir,
        input,
        encoding: 'utf8',
        stdio: ['pipe', 'pipe', 'ignore'],
      }).trim()
    try {
      git(['init', '-q'])
      git(['config', 'user.email', 'test@example.com'])
      git(['config', 'user.name', 'test'])
      const treeOf = (files: Tree) => {
        git(['read-tree', '--empty'])
        const lines = Object.entries(files).map(([path, text]) => {
          const blob = git(['hash-object', '-w', '--stdin'], contentOf(path, text))
          return `${text.startsWith('*') ? '100755' : '100644'} ${blob}\t${path}`
        })
        git(['update-index', '--index-info'], lines.map((line) => `${line}\n`).join(''))
        return git(['write-tree'])
      }
      const cases: [Tree, Tree, Tree][] = fc.sample(fc.tuple(tree, tree, tree), { numRuns: CASES, seed: 5 })
      cases.push(
        [{ f: '1' }, { f: '*1' }, { f: '2' }],
        [{ f: '1' }, {}, { f: '2' }],
        [{}, { a: '1' }, { 'a/x': '1' }],
      )
      for (const [base, ours, theirs] of cases) {
        const root = git(['commit-tree', treeOf(base), '-m', 'base'])
        const [a, b] = [ours, theirs].map((files) =>
          git(['commit-tree', treeOf(files), '-p', root, '-m', 'x']),
        )
        const judged = spawnSync('git', ['merge-tree', '--write-tree', a, b], {
          ...{ cwd: dir, encoding: 'utf8' },
        })
        const { entries, open } = merged(base, ours, theirs)
        const said = JSON.stringify({ base, ours, theirs, open, git: judged.stdout })
        expect(open.length > 0, said).toBe(judged.status === 1)
        if (open.length > 0) continue
        const listed = git(['ls-tree', '-r', judged.stdout.trim()]).split('\n').filter(Boolean)
        const inGit = listed.map((line) => [line.split('\t')[1], Number.parseInt(line, 8)])
        expect(
          entries.map(({ path, mode }) => [path, mode]),
          said,
        ).toEqual(inGit)
      }
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })
})
