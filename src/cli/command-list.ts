/** Every command: how it is written, what it is for, examples, and where it lives. */
import type { Handler } from './handler.ts'

export interface CommandSpec {
  /** `status`, or `data import` for a command of a group. */
  name: string
  /** Arguments as commander writes them: `<needed>`, `[optional]`, `<several…>`. */
  args?: string
  summary: string
  options?: readonly (readonly [flags: string, text: string])[]
  examples: readonly string[]
  load: () => Promise<Handler>
}

const DRY_RUN = ['--dry-run', 'say what would happen, without doing it'] as const
const REASON = ['--reason <text>', 'why, for the journal'] as const

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'init',
    args: '<file...>',
    summary: 'look at files of rows and write millrace.config.ts',
    options: [
      ['--target <column>', 'what is to be predicted'],
      ['--positive <value>', 'the value of the target that is the yes'],
      ['--task <task>', 'binary, regression or multiclass'],
      ['--time <column>', 'the column that orders rows in time, or "none"'],
      ['--columns <names>', 'names of the columns, with commas, for files without a line of names'],
      ['--name <name>', 'name of the project and its dataset'],
      ['--model <name>', 'name of the model'],
      ['--dir <folder>', 'where to write (default: the project folder)'],
      ['--yes', 'take the guesses without asking'],
      ['--force', 'replace a config that is there'],
      DRY_RUN,
    ],
    examples: [
      'millrace init customers.csv',
      'millrace init customers.csv --target churned --yes',
      'millrace init adult.data --columns age,job,income --target income --positive ">50K"',
    ],
    load: async () => (await import('./commands/init.ts')).init,
  },
  {
    name: 'up',
    summary: 'import, train and release what is new, then serve, watch and retrain until Ctrl-C',
    options: [
      ['--port <port>', 'port to listen on, 0 for any free one (default: the config, else 7300)'],
      ['--host <host>', 'address to listen on (default: the config, else 127.0.0.1)'],
      ['--token <token>', 'needed by clients when others can reach the host (or MILLRACE_TOKEN)'],
      ['--once', 'end after the first release, without serving'],
      DRY_RUN,
    ],
    examples: ['millrace up', 'millrace up --port 8080', 'millrace up --once --json'],
    load: async () => (await import('./commands/up.ts')).up,
  },
  {
    name: 'plan',
    summary: 'print everything that is inferred: features, task, splits, gates, release',
    examples: ['millrace plan', 'millrace plan --json'],
    load: async () => (await import('./commands/plan.ts')).plan,
  },
  {
    name: 'run',
    args: '[model]',
    summary: 'import, train, gate and release once',
    options: [REASON, DRY_RUN],
    examples: ['millrace run', 'millrace run churn --reason "new prices"'],
    load: async () => (await import('./commands/run.ts')).run,
  },
  {
    name: 'status',
    args: '[model]',
    summary: 'how everything is, or one model',
    examples: ['millrace status', 'millrace status late', 'millrace status late/ATL --json'],
    load: async () => (await import('./commands/status.ts')).status,
  },
  {
    name: 'why',
    args: '<prediction>',
    summary: 'why a prediction is what it is, by its id',
    examples: ['millrace why 01HV3K8Q4ZC2'],
    load: async () => (await import('./commands/why.ts')).why,
  },
  {
    name: 'explain',
    args: '<model>',
    summary: 'what a model leans on; with a row, why it answers so and what would have to change',
    options: [
      ['--row <json>', 'one row as a JSON object of columns'],
      ['--prediction <id>', 'the row of a prediction in the log'],
      ['--above <output>', 'the smallest changes of the row that bring the output to this or above'],
      ['--below <output>', 'the same, to this or below'],
      ['--fixed <features>', 'features that may not change, with commas'],
      ['--up <features>', 'features that may only rise'],
      ['--down <features>', 'features that may only fall'],
      ['--class <class>', 'class that is explained (default: the first)'],
      ['--feature <feature>', 'feature whose effect is drawn (default: the leading three)'],
      ['--rows <n>', 'test rows that averages are over (default: 1000)'],
    ],
    examples: [
      'millrace explain late',
      'millrace explain late --feature hour',
      'millrace explain late/ATL --prediction 01HV3K8Q4ZC2',
      'millrace explain late --prediction 01HV3K8Q4ZC2 --below 0.2 --fixed origin,destination',
    ],
    load: async () => (await import('./commands/explain.ts')).explain,
  },
  {
    name: 'train',
    args: '<model>',
    summary: 'train a model on its newest data and judge it by its gates',
    options: [
      ['--on <version>', 'dataset version, e.g. flights@main~1'],
      ['--search', 'choose the parameters anew first, where the config has a search'],
      REASON,
      DRY_RUN,
    ],
    examples: ['millrace train late', 'millrace train late --on flights@main~1 --reason "before the strike"'],
    load: async () => (await import('./commands/train.ts')).train,
  },
  {
    name: 'search',
    args: '<model>',
    summary: 'choose parameters of a trainer by trials inside the training window',
    options: [
      ['--trials <n>', 'points tried at most (default: the config)'],
      ['--method <method>', 'random, halving or tpe (default: the config)'],
      ['--time <duration>', 'begin no trial after so long, e.g. 10m'],
      REASON,
    ],
    examples: [
      'millrace search late',
      'millrace search late --trials 200 --time 30m',
      'millrace search late --json',
    ],
    load: async () => (await import('./commands/search.ts')).search,
  },
  {
    name: 'gate',
    args: '<model>',
    summary: 'what each gate says of the newest version; ends with 3 when one is closed',
    examples: ['millrace gate late', 'millrace gate late --json'],
    load: async () => (await import('./commands/train.ts')).gate,
  },
  {
    name: 'release',
    args: '<model>',
    summary: 'release the newest version that passed its gates',
    options: [REASON, DRY_RUN],
    examples: ['millrace release late --dry-run', 'millrace release late'],
    load: async () => (await import('./commands/release.ts')).release,
  },
  {
    name: 'promote',
    args: '<model>',
    summary: 'give the version in shadow or canary all traffic now',
    options: [REASON, DRY_RUN],
    examples: ['millrace promote late --reason "agreed with the owner"'],
    load: async () => (await import('./commands/release.ts')).promote,
  },
  {
    name: 'rollback',
    args: '<model>',
    summary: 'go back to what was live before, in one step',
    options: [REASON, DRY_RUN],
    examples: ['millrace rollback late --dry-run', 'millrace rollback late --reason "complaints from Oslo"'],
    load: async () => (await import('./commands/release.ts')).rollback,
  },
  {
    name: 'watch',
    args: '<model>',
    summary: 'quality and drift of a model, window by window',
    options: [['--limit <n>', 'newest windows shown (default: 20)']],
    examples: ['millrace watch late', 'millrace watch late --limit 60 --json'],
    load: async () => (await import('./commands/watch.ts')).watch,
  },
  {
    name: 'alerts',
    args: '[act] [id]',
    summary: 'open alerts; `alerts ack <id>` says that you have seen one',
    options: [['--all', 'resolved ones too'], DRY_RUN],
    examples: ['millrace alerts', 'millrace alerts --all', 'millrace alerts ack 4f2c'],
    load: async () => (await import('./commands/watch.ts')).alerts,
  },
  {
    name: 'backtest',
    args: '<model>',
    summary: 'train on windows of the past and test all of them on a later one',
    options: [
      ['--test <window>', 'month, day or from..to that is tested on, e.g. 2001-06'],
      ['--train <windows>', 'windows to train on, with commas; "all" for everything before the test'],
      ['--ages <ages>', 'windows that began so long before the test: 6mo,2mo,1mo'],
      ['--width <length>', 'length of the windows of --ages (default: 1mo)'],
      ['--sliding <length>', 'windows of this length through all data, tested on every later period'],
      ['--expanding <length>', 'the same, each window beginning with the data'],
      ['--step <length>', 'between two windows, and length of a tested period (default: the length)'],
      DRY_RUN,
    ],
    examples: [
      'millrace backtest late --test 2001-06 --ages 5mo,2mo,1mo',
      'millrace backtest late --test 2001-06 --train 2001-01,2001-04,2001-05,all',
      'millrace backtest late --sliding 1mo',
    ],
    load: async () => (await import('./commands/backtest.ts')).backtest,
  },
  {
    name: 'types',
    summary: 'write millrace-env.d.ts: columns, requests and answers for the type checker',
    options: [DRY_RUN],
    examples: ['millrace types'],
    load: async () => (await import('./commands/types.ts')).types,
  },
  {
    name: 'events',
    summary: 'the journal: who moved what, when and why',
    options: [
      ['--follow', 'go on as things happen, until Ctrl-C'],
      ['--about <subject>', 'only of models/<name> or datasets/<name>'],
      ['--limit <n>', 'newest events shown (default: 20)'],
    ],
    examples: ['millrace events', 'millrace events --follow --json', 'millrace events --about models/late'],
    load: async () => (await import('./commands/events.ts')).events,
  },
  {
    name: 'doctor',
    summary: 'is everything here that Millrace needs, and is the store sound',
    options: [['--port <port>', 'port that should be free (default: the config, else 7300)']],
    examples: ['millrace doctor', 'millrace doctor --json'],
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
  {
    name: 'completion',
    args: '<shell>',
    summary: 'completion for bash, zsh or fish',
    examples: [
      'source <(millrace completion bash)',
      'millrace completion fish > ~/.config/fish/completions/millrace.fish',
    ],
    load: async () => (await import('./commands/completion.ts')).completion,
  },
  {
    name: 'data import',
    args: '[dataset]',
    summary: 'import what is new; the same delivery is never imported twice',
    options: [
      ['--file <file...>', 'these files instead of the source in the config'],
      ['--select <window>', 'only rows of this time: a month, a day or from..to'],
      ['--period <window>', 'time that the delivery claims to hold; rows outside it are strays'],
      ['--message <text>', 'what this delivery is'],
      DRY_RUN,
    ],
    examples: [
      'millrace data import',
      'millrace data import flights --select 2001-01..2001-04 --message "first quarter"',
    ],
    load: async () => (await import('./commands/data.ts')).dataImport,
  },
  {
    name: 'data log',
    args: '<dataset>',
    summary: 'versions of a dataset, newest first',
    options: [['--limit <n>', 'versions shown (default: 20)']],
    examples: ['millrace data log flights'],
    load: async () => (await import('./commands/data.ts')).dataLog,
  },
  {
    name: 'data show',
    args: '<version>',
    summary: 'columns, checks and parts of a version',
    examples: ['millrace data show flights', 'millrace data show flights@main~1'],
    load: async () => (await import('./commands/data.ts')).dataShow,
  },
  {
    name: 'data diff',
    args: '<from> [to]',
    summary: 'what changed between two versions, to the row',
    examples: ['millrace data diff flights@main~1', 'millrace data diff flights@main~3 flights@main'],
    load: async () => (await import('./commands/data.ts')).dataDiff,
  },
  {
    name: 'data verify',
    args: '[version]',
    summary: 'hash every part again; ends with 3 when one is damaged',
    examples: ['millrace data verify', 'millrace data verify flights'],
    load: async () => (await import('./commands/data.ts')).dataVerify,
  },
  {
    name: 'data quarantine',
    args: '<version>',
    summary: 'how many rows were put aside, and why',
    options: [['--rows <n>', 'show so many of the rows themselves (default: 0)']],
    examples: ['millrace data quarantine flights', 'millrace data quarantine flights --rows 10'],
    load: async () => (await import('./commands/data.ts')).dataQuarantine,
  },
  {
    name: 'data repair',
    args: '<version>',
    summary: 'make damaged parts again from their sources, to the same bytes',
    options: [DRY_RUN],
    examples: ['millrace data repair flights --dry-run', 'millrace data repair flights'],
    load: async () => (await import('./commands/data.ts')).dataRepair,
  },
]
