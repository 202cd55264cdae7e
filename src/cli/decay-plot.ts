/** The decay curve of a backtest, drawn in a terminal. */
import type { BacktestReport } from '../loop/backtest.ts'
import type { Paint } from './paint.ts'
import { pad } from './table.ts'

/** Width of the whole skill, 100 %. */
const BAR = 32

/** A bar an age: what is left of the freshest models' skill on the same periods, with its 95 % interval. Empty where nothing can be compared. */
export function decayPlot({ decay }: BacktestReport, { paint }: { paint: Paint }): string[] {
  if (!decay || decay.curve.length < 2) return []
  const percent = (x: number) => `${Math.round(100 * x)} %`
  return [
    '  Skill left, by months between training and test (the freshest has 100 %)',
    '',
    ...decay.curve.map(({ months, share, interval: [low, high] }) => {
      const cells = Math.max(0, Math.min(Math.round(BAR * 1.25), Math.round(share * BAR)))
      const range = high - low > 0.005 ? paint.dim(`  ${percent(low)} to ${percent(high)}`) : ''
      const bar = '█'.repeat(cells) + ' '.repeat(Math.max(0, BAR - cells))
      return `  ${pad(`${months} mo`, 6, true)}  ${bar} ${pad(percent(share), 6, true)}${range}`
    }),
    '',
  ]
}
