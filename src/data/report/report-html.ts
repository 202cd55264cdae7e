/** A report of a version as one file: no script, no request, every value escaped. */
import type { ColumnType, Finding } from '../../core/records.ts'
import { Html, html } from './html.ts'
import { histogramBars, topValues, verdictDots, verdictMark } from './report-charts.ts'
import type { VersionReport } from './report-data.ts'
import { REPORT_STYLE } from './report-style.ts'
import { bytes, count, day, figure, minute, plural, shareText } from './words.ts'

/**
 * The page. The same report gives the same bytes. It forbids everything to itself by a policy of its own, so that a value which slipped through would still not run.
 * Cost: O(columns × bins + rows shown).
 */
export function reportHtml(report: VersionReport): string {
  const title = `${report.dataset}: checks and profile of ${short(report.digest)}`
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${styles}</style>
</head>
<body>
${heading(report)}
<main>
${checksSection(report)}
${columnsSection(report)}
${asideSection(report)}
${historySection(report)}
</main>
${footer(report)}
</body>
</html>
`
  return page.text
}

/** Text of our own, not of the data: it goes in as it is. */
const styles = new Html(REPORT_STYLE)

const short = (digest: string): string => digest.replace('sha256:', '').slice(0, 8)

// ---------------------------------------------------------------- the answer

function heading(report: VersionReport): Html {
  const failing = report.findings.filter(({ verdict }) => verdict === 'fail' || verdict === 'error')
  const facts: [string, string][] = [
    ['rows', count(report.rows)],
    ['put aside', count(report.rowsQuarantined)],
    ['columns', count(report.columns.length)],
    ['parts', `${count(report.parts.length)}, ${bytes(report.parts.reduce((sum, p) => sum + p.bytes, 0))}`],
    ...(report.window
      ? [['from, to', `${day(report.window.fromAt)}, ${day(report.window.toAt - 1)}`] as [string, string]]
      : []),
    ['imported', `${minute(report.createdAt)} UTC`],
  ]
  return html`<header>
<h1><bdi>${report.dataset}</bdi></h1>
<p class="sub">version <code>${short(report.digest)}</code>${report.message !== '' && html` · <bdi>${report.message}</bdi>`}</p>
<p class="lead ${failing.length > 0 ? 'bad' : ''}">${sentence(report, failing)}</p>
<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
</header>`
}

function sentence({ findings, rowsQuarantined }: VersionReport, failing: readonly Finding[]): string {
  const aside =
    rowsQuarantined === 0
      ? 'no row was put aside'
      : `${plural(rowsQuarantined, 'row')} ${rowsQuarantined === 1 ? 'was' : 'were'} put aside`
  if (findings.length === 0) return `No checks are declared; ${aside}.`
  if (failing.length > 0)
    return `${failing.length} of ${plural(findings.length, 'check')} ${failing.length === 1 ? 'does' : 'do'} not hold; ${aside}.`
  const open = findings.filter(({ verdict }) => verdict === 'inconclusive').length
  return `${open === 0 ? `All ${plural(findings.length, 'check')} hold` : `No check fails, ${open} of ${findings.length} could not be decided`}; ${aside}.`
}

// ---------------------------------------------------------------- checks

const RANK = { error: 0, fail: 1, inconclusive: 2, pass: 3 }

function checksSection({ findings, verdicts }: VersionReport): Html {
  if (findings.length === 0)
    return html`<section aria-labelledby="checks"><h2 id="checks">Checks</h2><p class="sub">None are declared. <code>millrace data suggest</code> infers some from the rows.</p></section>`
  const worstFirst = findings.toSorted((a, b) => RANK[a.verdict] - RANK[b.verdict])
  return html`<section aria-labelledby="checks"><h2 id="checks">Checks</h2>
<p class="sub">As they were judged when this version was imported, worst first; at the right, this and earlier versions.</p>
<div class="scroll" tabindex="0" role="region" aria-labelledby="checks"><table class="checks">
<thead><tr><th scope="col">verdict</th><th scope="col">check</th><th scope="col">what was found</th><th scope="col">over versions</th></tr></thead>
<tbody>${worstFirst.map((finding) => checkRow(finding, verdicts[finding.check] ?? []))}</tbody>
</table></div></section>`
}

/** Milliseconds as days or hours. */
const limitText = (limit: string): string =>
  limit.replace(/(\d+) ms old/, (_, ms: string) => {
    const hours = Number(ms) / 3_600_000
    return hours >= 48 ? `${figure(hours / 24)} days old` : `${figure(hours)} hours old`
  })

function checkRow(finding: Finding, verdicts: VersionReport['verdicts'][string]): Html {
  const { check, verdict, message, limit, owner, slice } = finding
  const isBad = verdict === 'fail' || verdict === 'error'
  return html`<tr class="${isBad ? 'fails' : ''}"><td>${verdictMark(verdict)}</td><th scope="row"><bdi>${check}</bdi>${slice !== undefined && html` <span class="sub"><bdi>${slice}</bdi></span>`}</th><td class="what"><bdi>${message}</bdi>${limit !== '' && html`<br><span class="sub">asked: ${limitText(limit)}</span>`}${owner !== undefined && html`<br><span class="sub">owner: <bdi>${owner}</bdi></span>`}</td><td class="dots">${verdictDots(check, verdicts)}</td></tr>`
}

// ---------------------------------------------------------------- columns

type ColumnPage = VersionReport['columns'][number]

/** A population stability index above this is worth a look. */
const MOVED_PSI = 0.1

function columnsSection({ columns, rows }: VersionReport): Html {
  return html`<section aria-labelledby="columns"><h2 id="columns">Columns</h2>
<p class="sub">Values of the rows that were accepted. Bars are bins that the first version fixed, so that versions compare.</p>
<ul class="columns">${columns.map((column) => columnCard(column, rows))}</ul></section>`
}

function columnCard(column: ColumnPage, rows: number): Html {
  const { name, type, profile } = column
  const facts: [string, Html | string][] = [
    [
      'missing',
      profile.nulls === 0
        ? 'none'
        : `${count(profile.nulls)} (${shareText(profile.nulls / Math.max(1, rows))})`,
    ],
    ['different', `${profile.distinctApprox > 300 ? '≈ ' : ''}${count(profile.distinctApprox)}`],
    ...(profile.mean === undefined
      ? []
      : [
          [
            'mean ± deviation',
            `${figure(profile.mean)} ± ${profile.std === undefined ? '–' : figure(profile.std)}`,
          ] as [string, string],
        ]),
    ...(type === 'int' || type === 'float' ? rangeFact(column) : []),
    ...movedFact(column),
  ]
  return html`<li class="column"><div class="head"><h3><bdi>${name}</bdi></h3><span class="type">${type}</span></div>${strip(column)}<dl>${facts.map(([term, value]) => html`<dt>${term}</dt><dd>${value}</dd>`)}</dl></li>`
}

/** From least to greatest; of texts the drawing says it. */
function rangeFact({ type, profile: { min, max } }: ColumnPage): [string, string][] {
  return typeof min === 'number' && typeof max === 'number'
    ? [['range', `${endText(min, type)} to ${endText(max, type)}`]]
    : []
}

function movedFact({ parent }: ColumnPage): [string, Html | string][] {
  if (!parent || parent.psi === null) return []
  const text = parent.psi < 0.001 ? '< 0.001' : figure(parent.psi)
  return [['moved (psi)', parent.psi >= MOVED_PSI ? html`<span class="moved">${text}</span>` : text]]
}

function strip({ name, type, profile }: ColumnPage): Html {
  const { histogram, min, max } = profile
  if (histogram?.kind === 'category') return topValues(name, histogram)
  const ends =
    min === undefined || max === undefined
      ? html``
      : html`<div class="ends"><span><bdi>${endText(min, type)}</bdi></span><span><bdi>${endText(max, type)}</bdi></span></div>`
  return histogram?.kind === 'numeric' ? histogramBars(name, histogram) : ends
}

function endText(value: number | string, type: ColumnType): string {
  if (typeof value === 'string') return value
  if (type === 'time') return minute(value)
  return type === 'date' ? day(value) : figure(value)
}

// ---------------------------------------------------------------- rows put aside

function asideSection({ quarantine, columns: known }: VersionReport): Html {
  const { total, byReason, rows, columns } = quarantine
  if (total === 0)
    return html`<section aria-labelledby="aside"><h2 id="aside">Put aside</h2><p class="sub">No row was put aside.</p></section>`
  const most = Math.max(1, ...Object.values(byReason))
  return html`<section aria-labelledby="aside"><h2 id="aside">Put aside</h2>
<p class="sub">${plural(total, 'row')} failed a check and ${total === 1 ? 'is' : 'are'} kept beside the data, with the reasons. A row may have several.</p>
<div class="reasons">${Object.entries(byReason).map(([reason, n]) => html`<div class="reason"><span><bdi>${reason}</bdi></span><span class="right">${count(n)}</span><span class="meter" aria-hidden="true"><i style="width:${Math.round((1000 * n) / most) / 10}%"></i></span></div>`)}</div>
${rows.length > 0 && examples(columns, typesOf(columns, known), rows, total)}</section>`
}

function examples(
  columns: readonly string[],
  types: readonly (ColumnType | undefined)[],
  rows: VersionReport['quarantine']['rows'],
  total: number,
): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Rows that were put aside"><table>
<caption>${rows.length === total ? 'All of them' : `The newest ${count(rows.length)}`}, with their values as they were delivered.</caption>
<thead><tr><th scope="col">reasons</th>${columns.map((name) => html`<th scope="col"><bdi>${name}</bdi></th>`)}</tr></thead>
<tbody>${rows.map(({ values, reasons }) => html`<tr><th scope="row">${reasons.map((reason, i) => html`${i > 0 && html`<br>`}<bdi>${reason}</bdi>`)}</th>${values.map((value, i) => cell(value, types[i]))}</tr>`)}</tbody>
</table></div>`
}

const CELL_CHARS = 200

const typesOf = (names: readonly string[], columns: VersionReport['columns']): (ColumnType | undefined)[] =>
  names.map((name) => columns.find((column) => column.name === name)?.type)

function cell(value: string | number | boolean | null, type: ColumnType | undefined): Html {
  if (value === null) return html`<td class="missing">missing</td>`
  if (typeof value === 'number' && (type === 'time' || type === 'date'))
    return html`<td class="nowrap">${endText(value, type)}</td>`
  if (typeof value === 'number') return html`<td class="right">${String(value)}</td>`
  const text = String(value)
  return html`<td class="cell"><bdi>${text.length > CELL_CHARS ? `${text.slice(0, CELL_CHARS)}…` : text}</bdi></td>`
}

// ---------------------------------------------------------------- history

function historySection({ history, digest }: VersionReport): Html {
  return html`<section aria-labelledby="history"><h2 id="history">History</h2>
<div class="scroll" tabindex="0" role="region" aria-labelledby="history"><table>
<thead><tr><th scope="col">version</th><th scope="col">imported (UTC)</th><th scope="col" class="right">rows</th><th scope="col" class="right">added</th><th scope="col" class="right">put aside</th><th scope="col" class="right">new parts</th><th scope="col">message</th></tr></thead>
<tbody>${history.map((row) => html`<tr><th scope="row" class="nowrap"><code>${short(row.digest)}</code>${row.digest === digest && ' (this)'}</th><td class="nowrap">${minute(row.at)}</td><td class="right">${count(row.rows)}</td><td class="right">${row.rowsAdded > 0 ? `+${count(row.rowsAdded)}` : count(row.rowsAdded)}</td><td class="right">${count(row.rowsQuarantined)}</td><td class="right">${count(row.partsNew)} of ${count(row.parts)}</td><td><bdi>${row.message}</bdi></td></tr>`)}</tbody>
</table></div></section>`
}

function footer({ dataset, digest, source }: VersionReport): Html {
  return html`<footer><p>Made by <code>millrace data report ${dataset}@${short(digest)}</code> from <bdi>${source}</bdi>. The version is <code style="overflow-wrap:anywhere">${digest}</code>; the same version gives the same report.</p></footer>`
}
