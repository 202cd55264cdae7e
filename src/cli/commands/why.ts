/** `millrace why <prediction>`: what went in, what moved the answer, and what the model stands on. */
import type { Why } from '../../api/contract.ts'
import { whyView } from '../../api/views/index.ts'
import type { Answer, Cli } from '../cli.ts'
import { count, day, figure, findingLines, minute, orDash, percent, rowsText, short } from '../format.ts'
import { pairs, table, wrapped } from '../table.ts'

const SHOWN = 15

export async function why(cli: Cli, [id]: readonly unknown[]): Promise<Answer> {
  const rt = await cli.open()
  const view = await whyView(rt, id as string)
  const task = rt.project.models.find((m) => m.name === view.model)?.task
  return {
    value: view,
    lines: linesOf(cli, view, task !== 'regression' && view.output >= 0 && view.output <= 1),
  }
}

function linesOf(cli: Cli, view: Why, isShare: boolean): string[] {
  const { paint } = cli
  const { explanation, trainedOn, outcome } = view
  const who = `${view.model}${view.member ? `/${view.member}` : ''} v${view.version}`
  const said = isShare ? percent(view.output) : figure(view.output)
  const answer = view.label === undefined ? said : `${view.label} (${percent(view.output)})`
  const span =
    trainedOn.fromAt === null || trainedOn.toAt === null
      ? ''
      : `, ${day(trainedOn.fromAt)} to ${day(trainedOn.toAt - 1)}`
  const adds = `adds to the ${explanation.scale}${explanation.class === undefined ? '' : ` of ${explanation.class}`}`
  const parts = explanation.contributions
    .slice(0, SHOWN)
    .map((c) => [c.feature, valueText(view, c), signed(c.contribution)])
  const rest = explanation.contributions.slice(SHOWN).reduce((sum, c) => sum + c.contribution, 0)
  if (explanation.contributions.length > SHOWN)
    parts.push([`${count(explanation.contributions.length - SHOWN)} more`, '', signed(rest)])
  return [
    '',
    `  ${paint.bold(`${who} answered ${answer}`)} on ${minute(view.at)} UTC by the ${view.route} route`,
    '',
    ...pairs(
      [
        ['asked', inputLines(view.inputs)],
        ...(view.probabilities ? [['said', classesSaid(view.probabilities)] as [string, string]] : []),
        [
          'happened',
          outcome
            ? `${typeof outcome.value === 'string' ? outcome.value : figure(outcome.value)}, told on ${minute(outcome.at)} UTC`
            : 'not known yet',
        ],
        [
          'learnt from',
          `${trainedOn.dataset} ${short(trainedOn.version)}: ${rowsText(trainedOn.rows)}${span}`,
        ],
        ['run', short(view.run)],
      ],
      paint,
    ),
    '',
    ...table(
      ['feature', 'value', adds],
      [
        ['where it starts', '', signed(explanation.base)],
        ...parts,
        ['together', '', signed(explanation.raw)],
      ],
      { right: ['value', adds], paint },
    ),
    ...(explanation.fallback === undefined ? [] : ['', ...wrapped('  ', explanation.fallback, cli.width)]),
    '',
    ...view.gates.filter((f) => f.slice === undefined).flatMap((f) => findingLines(cli, f)),
    '',
  ]
}

const CLASSES_SHOWN = 6

/** The likeliest classes on one line. */
function classesSaid(probabilities: Record<string, number>): string {
  const all = Object.entries(probabilities).sort((a, b) => b[1] - a[1])
  const shown = all.slice(0, CLASSES_SHOWN).map(([label, p]) => `${label} ${percent(p)}`)
  return `${shown.join(', ')}${all.length > CLASSES_SHOWN ? `, ${all.length - CLASSES_SHOWN} more` : ''}`
}

/** A category as it was sent, a number as it was computed. */
function valueText({ inputs }: Why, { feature, value }: { feature: string; value: number | null }): string {
  const sent = Object.hasOwn(inputs, feature) ? inputs[feature] : undefined
  if (typeof sent === 'string' || typeof sent === 'boolean') return String(sent)
  return value !== null && Number.isInteger(value) ? count(value) : orDash(value)
}

const INPUTS_A_LINE = 4

function inputLines(inputs: Why['inputs']): string[] {
  const said = Object.entries(inputs).map(
    ([name, value]) => `${name} ${value === null ? '–' : String(value)}`,
  )
  return Array.from({ length: Math.ceil(said.length / INPUTS_A_LINE) }, (_, i) =>
    said.slice(i * INPUTS_A_LINE, (i + 1) * INPUTS_A_LINE).join(', '),
  )
}

function signed(x: number): string {
  return `${x < 0 ? '−' : '+'}${figure(Math.abs(x))}`
}
