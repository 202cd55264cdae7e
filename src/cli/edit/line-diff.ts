/** What an edit changes, in the form of `diff -u`. */

const CONTEXT = 3

/** Lines with `-`, `+` or a blank before them, in hunks under `@@`; empty where nothing changed. Cost: O(a × b) lines between the first and last that differ. */
export function lineDiff(from: string, to: string): string[] {
  const [a, b] = [from.split('\n'), to.split('\n')]
  const steps = stepsOf(a, b)
  return hunksOf(steps).flatMap((hunk) => [headOf(hunk), ...hunk.map(({ sign, line }) => `${sign}${line}`)])
}

interface Step {
  sign: ' ' | '-' | '+'
  line: string
  /** Lines of either side before this one. */
  a: number
  b: number
}

function stepsOf(a: readonly string[], b: readonly string[]): Step[] {
  let begin = 0
  while (begin < a.length && begin < b.length && a[begin] === b[begin]) begin++
  let end = 0
  while (end < a.length - begin && end < b.length - begin && a[a.length - 1 - end] === b[b.length - 1 - end])
    end++
  const same = (i: number, j: number): Step => ({ sign: ' ', line: a[i]!, a: i, b: j })
  const head = a.slice(0, begin).map((_, i) => same(i, i))
  const middle = changed(a.slice(begin, a.length - end), b.slice(begin, b.length - end), begin)
  const tail = a.slice(a.length - end).map((_, i) => same(a.length - end + i, b.length - end + i))
  return [...head, ...middle, ...tail]
}

/** By the longest common subsequence. */
function changed(a: readonly string[], b: readonly string[], at: number): Step[] {
  const width = b.length + 1
  const longest = new Uint32Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      longest[i * width + j] =
        a[i] === b[j]
          ? longest[(i + 1) * width + j + 1]! + 1
          : Math.max(longest[(i + 1) * width + j]!, longest[i * width + j + 1]!)
  const steps: Step[] = []
  let [i, j] = [0, 0]
  while (i < a.length || j < b.length) {
    const place = { a: at + i, b: at + j }
    if (i < a.length && j < b.length && a[i] === b[j]) {
      steps.push({ sign: ' ', line: a[i++]!, ...place })
      j++
    } else if (
      i < a.length &&
      (j === b.length || longest[(i + 1) * width + j]! >= longest[i * width + j + 1]!)
    )
      steps.push({ sign: '-', line: a[i++]!, ...place })
    else steps.push({ sign: '+', line: b[j++]!, ...place })
  }
  return steps
}

function hunksOf(steps: readonly Step[]): Step[][] {
  const near = steps.map((_, i) =>
    steps.slice(Math.max(0, i - CONTEXT), i + CONTEXT + 1).some(({ sign }) => sign !== ' '),
  )
  const hunks: Step[][] = []
  for (const [i, step] of steps.entries()) {
    if (!near[i]) continue
    if (near[i - 1]) hunks.at(-1)!.push(step)
    else hunks.push([step])
  }
  return hunks
}

function headOf(hunk: readonly Step[]): string {
  const rows = (sign: '-' | '+') => hunk.filter((step) => step.sign === ' ' || step.sign === sign).length
  const [first] = hunk
  return `@@ -${first!.a + 1},${rows('-')} +${first!.b + 1},${rows('+')} @@`
}
