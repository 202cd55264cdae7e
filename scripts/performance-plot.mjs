// `node scripts/performance-plot.mjs`: draws docs/images/serving.svg, and the tables of docs/concepts/performance.md, from docs/concepts/performance.json, which
// `npm run bench -- serve --peers --record` writes. With `--check` it writes nothing and ends with 1 where they are not what it would draw.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const { windows, about, figures } = JSON.parse(readFileSync(at('docs/concepts/performance.json'), 'utf8'))

const MODELS = [
  ['iris', 'iris, 32 connections'],
  ['gbdt', '100 trees of depth 6, 32 connections'],
  ['mlp', 'net 64-256-256-10, 32 connections'],
  ['conv', 'convolutional net, 4 connections'],
]
const SERVERS = [
  'Node by hand',
  'millrace',
  'FastAPI',
  'MLServer',
  'LitServe',
  'BentoML',
  'Ray Serve',
  'MLflow',
]
const [WIDTH, LEFT, RIGHT, ROW, TOP] = [760, 110, 90, 22, 56]
const FONT = 'font-family="system-ui, sans-serif" font-size="12"'

/** Ours was measured beside each of the others: the middle of those, so that having been asked more often is no help. */
function cpuOf(server, model) {
  const found = windows
    .filter(
      (one) =>
        one.server === server && one.model === model && one.connections > 1 && one.beside !== 'ONNX Runtime',
    )
    .map(({ cpuUs }) => cpuUs)
    .sort((a, b) => a - b)
  return found[found.length >> 1]
}

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const timeText = (us) =>
  us >= 10_000
    ? `${(us / 1000).toFixed(0)} ms`
    : us >= 1000
      ? `${(us / 1000).toFixed(1)} ms`
      : `${Math.round(us)} µs`

/** A panel a model, a bar a server, on one logarithmic scale within the panel. */
function panel([model, title], top) {
  const bars = SERVERS.flatMap((server) => {
    const us = cpuOf(server, model)
    return us === undefined ? [] : [{ server, us }]
  })
  const most = Math.max(...bars.map(({ us }) => us))
  const low = 10 ** Math.floor(Math.log10(Math.min(...bars.map(({ us }) => us))))
  const x = (us) => ((WIDTH - LEFT - RIGHT) * Math.log(us / low)) / Math.log(most / low)
  const rows = bars.map(({ server, us }, i) => {
    const y = top + 24 + i * ROW
    const fill = server === 'millrace' ? '#0f766e' : '#94a3b8'
    return `<text x="${LEFT - 8}" y="${y + 13}" text-anchor="end">${escaped(server)}</text><rect x="${LEFT}" y="${y}" width="${x(us).toFixed(1)}" height="${ROW - 6}" rx="2" fill="${fill}"/><text x="${(LEFT + x(us) + 6).toFixed(1)}" y="${y + 13}">${timeText(us)}</text>`
  })
  const head = `<text x="${LEFT}" y="${top + 14}" font-weight="600">${escaped(title)}</text>`
  return { svg: [head, ...rows].join('\n'), height: 24 + bars.length * ROW + 22 }
}

let top = TOP
const parts = MODELS.filter(([model]) => cpuOf('millrace', model) !== undefined).map((one) => {
  const { svg, height } = panel(one, top)
  top += height
  return svg
})
const svg = `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="CPU time of one request by server and model" viewBox="0 0 ${WIDTH} ${top}" width="${WIDTH}" height="${top}" ${FONT} fill="#0f172a">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="16" y="24" font-size="15" font-weight="600">CPU time of one request, one core, the same .onnx files (logarithmic, shorter is better)</text>
<text x="16" y="42" fill="#475569">${escaped(about.cpu)}; ${escaped(about.node)}; the least of windows that alternated with those of Millrace</text>
${parts.join('\n')}
</svg>
`
const PLOT = at('docs/images/serving.svg')

// ---------------------------------------------------------------- tables

const PEERS = SERVERS.filter((server) => server !== 'millrace')

/** The windows of a peer and of ours beside it. */
function pairOf(peer, model, isMany) {
  const find = (server, beside) =>
    windows.find(
      (one) =>
        one.server === server &&
        one.beside === beside &&
        one.model === model &&
        one.connections > 1 === isMany,
    )
  const [theirs, ours] = [find(peer, 'millrace'), find('millrace', peer)]
  return theirs && ours ? { theirs, ours, ratio: theirs.cpuUs / ours.cpuUs } : undefined
}

const timesText = (ratio) => (ratio < 10 ? ratio.toFixed(ratio < 2 ? 2 : 1) : String(Math.round(ratio)))

function serversTable() {
  const cell = (peer, model) => {
    const pair = pairOf(peer, model, true)
    return pair ? `${timeText(pair.theirs.cpuUs)} (${timesText(pair.ratio)} ×)` : '—'
  }
  const rows = PEERS.map((peer) => {
    const settings = windows.find(({ server }) => server === peer)?.settings ?? 'not measured'
    return `| ${peer} | ${MODELS.map(([model]) => cell(peer, model)).join(' | ')} | ${settings} |`
  })
  const ours = `| **Millrace** | ${MODELS.map(([model]) => `**${timeText(cpuOf('millrace', model))}**`).join(' | ')} | as it comes |`
  return [
    `| | ${MODELS.map(([, title]) => title).join(' | ')} | settings |`,
    '|---|---|---|---|---|---|',
    ours,
    ...rows,
  ]
}

/** Asked, what came out, and whether it held. */
function goalsTable() {
  const ratio = (peer, least) =>
    ['iris', 'gbdt'].map((model) => {
      const pair = pairOf(peer, model, true)
      return (
        pair && [
          `${model}: times less CPU than ${peer}`,
          `≥ ${least}`,
          timesText(pair.ratio),
          pair.ratio >= least,
        ]
      )
    })
  const figure = (name) => figures[name]
  const grpc = (server) => figure(`gbdt, gRPC, 32 connections, CPU a request, ${server}`)
  const alone = windows.find(
    (one) => one.beside === 'ONNX Runtime' && one.model === 'gbdt' && one.connections > 1,
  )
  const least = (name, value, limit, unit) =>
    value !== undefined && [name, `≤ ${limit} ${unit}`, `${value.toPrecision(3)} ${unit}`, value <= limit]
  const most = (name, value, limit) =>
    value > 0 && [name, `≥ ${limit} ×`, `${timesText(value)} ×`, value >= limit]
  const goals = [
    ...ratio('MLServer', 8),
    ...ratio('BentoML', 5),
    ...ratio('LitServe', 5),
    ...ratio('FastAPI', 4),
    most('conv, of ONNX Runtime alone', figure('conv of bare'), 0.95),
    least('gbdt, JSON, 32 connections, CPU a request', alone?.cpuUs, 60, 'µs'),
    least('gbdt, 1 connection, p50 above the scorer', figure('gbdt p50 above scorer ms'), 0.15, 'ms'),
    most(
      '600 kB in binary, times cheaper than in JSON',
      figure('image json cpuUs') / figure('image binary cpuUs'),
      10,
    ),
    most('gbdt over gRPC, times less CPU than MLServer', grpc('MLServer') / grpc('millrace'), 3),
    least('`/livez` while a call of 2 s computes, p99', figure('livez p99 ms'), 5, 'ms'),
  ].filter(Boolean)
  const rows = goals.map(
    ([name, asked, got, held]) => `| ${name} | ${asked} | ${got} | ${held ? 'held' : '**missed**'} |`,
  )
  return ['| | asked | came out | |', '|---|---|---|---|', ...rows]
}

const PAGE = at('docs/concepts/performance.md')
const before = readFileSync(PAGE, 'utf8')
let page = before
for (const [name, rows] of [
  ['servers', serversTable()],
  ['goals', goalsTable()],
]) {
  const marks = new RegExp(`(<!-- table of ${name} -->\\n)[\\s\\S]*?(<!-- end -->)`)
  page = page.replace(marks, (_, head, end) => `${head}\n${rows.join('\n')}\n\n${end}`)
}
if (process.argv.includes('--check'))
  process.exit(page === before && readFileSync(PLOT, 'utf8') === svg ? 0 : 1)
writeFileSync(PLOT, svg)
writeFileSync(PAGE, page)
console.error('wrote docs/images/serving.svg and the tables of docs/concepts/performance.md')
