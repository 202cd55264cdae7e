/** Commands over sets of files: anything that is no table. */
import type { CommandSpec } from './command-spec.ts'

const DRY_RUN = ['--dry-run', 'say what would happen, without doing it'] as const

export const FILE_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'data add',
    args: '<path...>',
    summary: 'keep a version of files or folders of anything: pictures, model checkpoints, archives',
    options: [
      ['--name <name>', 'name of the set (default: the name of the first path)'],
      ['--message <text>', 'what this version is'],
      ['--branch <branch>', 'branch that takes it (default: main)'],
      DRY_RUN,
    ],
    examples: [
      'millrace data add photos',
      'millrace data add checkpoints/model.safetensors --name base --message "after epoch 3"',
    ],
    load: async () => (await import('./commands/files.ts')).dataAdd,
  },
  {
    name: 'data checkout',
    args: '[name]',
    summary:
      'write a version into a folder: files as they were added, a dataset as Parquet; only what differs is written; or bring here all that a lock pins',
    options: [
      [
        '--lock [file]',
        'what millrace.lock, or this file, pins: sets of files into folders, main to its version',
      ],
      [
        '--remote <remote>',
        'with --lock: where missing versions come from (default: origin, where there is one)',
      ],
      ['--to <folder>', 'where to write (default: a folder of that name; of single files, this folder)'],
      [
        '--croissant [version]',
        'of a dataset: describe the files in croissant.json, version 1.1 or 1.0 (default: 1.1)',
      ],
      ['--link <how>', 'auto, copy, reflink or hardlink (read-only) (default: auto)'],
      ['--force', 'overwrite changes that no version holds; with --lock, move main back too'],
      DRY_RUN,
    ],
    examples: [
      'millrace data checkout --lock',
      'millrace data checkout photos~2 --to ../photos-before',
      'millrace data checkout flights@audit-2026 --to audit --croissant',
    ],
    load: async () => (await import('./commands/files.ts')).dataCheckout,
  },
  {
    name: 'data merge-models',
    args: '<output> <model...>',
    summary: 'merge safetensors checkpoints of one base into one: a mean by weights, or TIES',
    options: [
      ['--method <method>', 'average or ties (default: average)'],
      ['--weights <numbers>', 'one for each model, with commas (default: all the same)'],
      ['--base <model>', 'checkpoint that they were trained from; TIES needs it'],
      ['--density <share>', 'TIES: share of differences that is kept (default: 0.2)'],
      ['--scale <number>', 'TIES: how much of the merged difference is added (default: 1)'],
      ['--trim <over>', 'TIES: the largest of the whole model, or of each tensor (default: model)'],
      ['--force', 'replace a file that is there'],
    ],
    examples: [
      'millrace data merge-models soup.safetensors a.safetensors b.safetensors',
      'millrace data merge-models merged.safetensors tuned-a tuned-b --method ties --base base~1',
    ],
    load: async () => (await import('./commands/merge-models.ts')).mergeModels,
  },
]
