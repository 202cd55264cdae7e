// `node scripts/performance-plot.mjs`: draws docs/images/serving.svg from docs/concepts/performance.json, which `npm run bench -- serve --peers --record` writes.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const { windows, about } = JSON.parse(readFileSync(at('docs/concepts/performance.json'), 'utf8'))

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
const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" width="${WIDTH}" height="${top}" ${FONT} fill="#0f172a">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="16" y="24" font-size="15" font-weight="600">CPU time of one request, one core, the same .onnx files (logarithmic, shorter is better)</text>
<text x="16" y="42" fill="#475569">${escaped(about.cpu)}; ${escaped(about.node)}; least of ${2 * about.pairs} windows of ${about.secondsOfWindow} s, which alternated with those of Millrace</text>
${parts.join('\n')}
</svg>
`
writeFileSync(at('docs/images/serving.svg'), svg)
console.error('wrote docs/images/serving.svg')
