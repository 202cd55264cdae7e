/** A guess as a file that a person reads, understands and changes: `millrace.config.ts`. */
import { quoteText as quote } from '../../expr/source-text.ts'
import { constantName } from './names.ts'
import type { ProjectGuess } from './project-guess.ts'

/** The whole config. Deterministic in its guess. */
export function configText(guess: ProjectGuess): string {
  const { name, dataset, model, target } = guess
  const data = constantName(dataset, 'Data')
  const own = constantName(model, 'Model', new Set([data]))
  const isSmall = guess.rows < SMALL_ROWS
  const imports = ['col', 'dataset', ...(isSmall ? ['gbdt'] : []), 'model', 'project'].join(', ')
  return [
    `import { ${imports} } from 'millrace'`,
    '',
    `const ${data} = dataset(${quote(dataset)}, {`,
    ...datasetLines(guess),
    '})',
    '',
    `const ${own} = model(${quote(model)}, {`,
    `  from: ${data},`,
    `  // Chosen because ${target.why}.`,
    `  target: ${targetText(guess)},${shareRemark(guess)}`,
    ...(isTaskSaid(guess) ? [`  task: '${target.task}',`] : []),
    '  // Every other column becomes a feature; `millrace plan` prints them. To choose:',
    `  // features: { ${exampleFeature(guess)} },`,
    ...(isSmall
      ? [`  trainer: gbdt({ leaves: 8, learningRate: 0.05 }), // small trees: ${guess.rows} rows are few`]
      : []),
    `  split: ${splitText(guess)},`,
    `  watch: { owner: '' }, // who is told when quality drops`,
    '})',
    '',
    `export default project(${quote(name)}, { datasets: [${data}], models: [${own}] })`,
    '',
  ].join('\n')
}

/** Rows below which trees of the usual size learn the rows by heart. */
export const SMALL_ROWS = 3000

function datasetLines({ source, read, time, leftOut }: ProjectGuess): string[] {
  const lines = [`  source: ${source.length === 1 ? quote(source[0]) : list(source)},`]
  if (time) lines.push(`  time: ${quote(time.column)}, // ${time.why}`)
  if (Object.keys(read).length > 0) lines.push(`  read: { ${readText(read)} },`)
  if (leftOut.length > 0)
    lines.push('  exclude: [', ...leftOut.map(({ column, why }) => `    ${quote(column)}, // ${why}`), '  ],')
  return lines
}

function readText(read: ProjectGuess['read']): string {
  return Object.entries(read)
    .map(([key, value]) => `${key}: ${Array.isArray(value) ? list(value) : quote(String(value))}`)
    .join(', ')
}

export function targetText({ target, logical }: ProjectGuess): string {
  const column = `col(${quote(target.column)})`
  if (target.positive === false) return `${column}.not()`
  if (target.positive === undefined || logical) return column
  return `${column}.eq(${typeof target.positive === 'number' ? target.positive : quote(target.positive)})`
}

/** A text is a class and two values are a yes or no by themselves. */
function isTaskSaid({ target, columns }: ProjectGuess): boolean {
  if (target.task === 'regression') return true
  const type = columns.find((c) => c.name === target.column)?.type
  return target.task === 'multiclass' && type !== 'string'
}

function shareRemark({ target }: ProjectGuess): string {
  if (target.classes) return ` // one of ${target.classes.length} classes: ${shownClasses(target.classes)}`
  return target.share === undefined ? '' : ` // yes in ${+(100 * target.share).toPrecision(2)} % of the rows`
}

/** Some classes on one line of a comment. */
function shownClasses(classes: readonly string[]): string {
  const shown = classes.slice(0, 4).map((label) => label.replaceAll(/\s+/g, ' ').slice(0, 20))
  return `${shown.join(', ')}${classes.length > 4 ? ', …' : ''}`
}

function exampleFeature({ columns, target, leftOut, time }: ProjectGuess): string {
  const out = new Set([target.column, time?.column, ...leftOut.map((l) => l.column)])
  const shown = columns.filter((c) => !out.has(c.name)).slice(0, 2)
  return shown
    .map(({ name, type }) => `${key(name)}: col(${quote(name)})${type === 'string' ? '.category()' : ''}`)
    .join(', ')
}

function splitText({ split }: ProjectGuess): string {
  return split.by === 'time'
    ? `{ by: 'time', validate: '${split.validate}', test: '${split.test}' }`
    : `{ by: 'random', validate: ${split.validate}, test: ${split.test} }`
}

const list = (items: readonly string[]): string => `[${items.map(quote).join(', ')}]`
const key = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : quote(name))
