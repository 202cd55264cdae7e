/** One line a figure, in the form all benchmarks share. */
export interface Figure {
  bench: string
  metric: string
  value: number
  unit: string
  /** Another tool measured in the same run, and its figure. */
  peer?: string
  peerValue?: number
  /** Ours against the peer's, so that above 1 is better. */
  ratio?: number
  /** What no implementation could beat here, in the same unit. */
  bound?: number
  /** The number asked for, and whether it held. */
  goal?: number
  met?: boolean
  note?: string
}

const asJson = process.argv.includes('--json')

export function report(figure: Figure): void {
  const rounded = { ...figure, value: significant(figure.value) }
  if (asJson) process.stdout.write(`${JSON.stringify(rounded)}\n`)
  else process.stdout.write(`${lineOf(rounded)}\n`)
}

function lineOf({ bench, metric, value, unit, peer, peerValue, ratio, goal, met, note }: Figure): string {
  const compared = peer ? `  ${peer} ${peerValue}${ratio === undefined ? '' : ` (${ratio}×)`}` : ''
  const asked = goal === undefined ? '' : `  asked ${goal}: ${met ? 'held' : 'missed'}`
  return `${bench}  ${metric.padEnd(44)} ${value.toLocaleString('en').padStart(14)} ${unit}${compared}${asked}${note ? `  (${note})` : ''}`
}

function significant(value: number): number {
  return Number(value.toPrecision(4))
}

/** Type 7 quantile of unsorted values. */
export function quantile(values: number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * p
  const low = Math.floor(at)
  return sorted[low] + (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]) * (at - low)
}
