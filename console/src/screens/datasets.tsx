/** All data: what there is, how fresh, how clean. */
import { useQuery } from '@tanstack/react-query'
import { datasetsQuery, fileSetsQuery } from '../api/queries.ts'
import type { DatasetRow, FileSetRow } from '../api/types.ts'
import { bytes, compact, count, share } from '../format/numbers.ts'
import { datasetsSentence } from '../format/sentences.ts'
import { windowDays } from '../format/times.ts'
import { Scroll } from '../parts/figure.tsx'
import { Ask, Empty, Page, Section } from '../parts/page.tsx'
import { Sign } from '../parts/signs.tsx'
import { Ago, useNow } from '../parts/time.tsx'
import { Go } from '../shell/go.tsx'
import { hrefs } from '../shell/hrefs.ts'

export function Datasets() {
  const query = useQuery(datasetsQuery())
  const now = useNow()
  return (
    <Ask query={query} title="Data">
      {(rows) =>
        rows.length === 0 ? (
          <Page title="Data">
            <FileSets />
            <Empty title="No data yet" commands={['millrace init my-data.csv', 'millrace run']}>
              A dataset is named in millrace.config.ts; a run imports it, checks it and keeps it as a version.
            </Empty>
          </Page>
        ) : (
          <Page title="Data" sentence={datasetsSentence(rows, now)}>
            <Section flush>
              <Scroll label="Datasets">
                <table className="table table-rows table-roomy table-cards">
                  <thead>
                    <tr>
                      <th scope="col">Dataset</th>
                      <th scope="col">Covers</th>
                      <th scope="col" className="num">
                        Rows
                      </th>
                      <th scope="col" className="num">
                        Quarantine
                      </th>
                      <th scope="col">Checks</th>
                      <th scope="col" className="num">
                        Versions
                      </th>
                      <th scope="col" className="num">
                        Size
                      </th>
                      <th scope="col">Imported</th>
                    </tr>
                  </thead>
                  <tbody>
                    {rows.map((row) => (
                      <Row key={row.dataset} row={row} />
                    ))}
                  </tbody>
                </table>
              </Scroll>
            </Section>
            <FileSets />
          </Page>
        )
      }
    </Ask>
  )
}

/** Files of anything beside the tables; nothing where there are none. */
function FileSets() {
  const sets = useQuery({ ...fileSetsQuery(), retry: false }).data ?? []
  if (sets.length === 0) return null
  return (
    <Section title="Files of anything" note="Folders, images, checkpoints of models: kept by their content.">
      <Scroll label="Sets of files">
        <table className="table table-rows table-roomy table-cards">
          <thead>
            <tr>
              <th scope="col">Files</th>
              <th scope="col">Branch</th>
              <th scope="col" className="num">
                Paths
              </th>
              <th scope="col" className="num">
                Size
              </th>
              <th scope="col">Changed</th>
            </tr>
          </thead>
          <tbody>
            {sets.map((row) => (
              <FileSetLine key={`${row.set}@${row.branch}`} row={row} />
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  )
}

function FileSetLine({ row }: { row: FileSetRow }) {
  const name = row.branch === 'main' ? row.set : `${row.set}@${row.branch}`
  return (
    <tr>
      <td>
        <Go href={hrefs.files(name)} className="row-link name">
          {row.set}
        </Go>
      </td>
      <td data-label="branch">{row.branch}</td>
      <td className="num" data-label="paths">
        {count(row.files)}
      </td>
      <td className="num" data-label="size">
        {bytes(row.bytes)}
      </td>
      <td data-label="changed">
        <Ago at={row.changedAt} />
      </td>
    </tr>
  )
}

function Row({ row }: { row: DatasetRow }) {
  return (
    <tr>
      <td>
        <Go href={hrefs.dataset(row.dataset)} className="row-link name">
          {row.dataset}
        </Go>
      </td>
      <td className="nowrap">
        {row.window ? (
          windowDays(row.window.fromAt, row.window.toAt)
        ) : (
          <span className="muted">no time column</span>
        )}
      </td>
      <td className="num" data-label="rows">
        {count(row.rows)}
      </td>
      <td className="num" data-label="quarantine">
        {row.version && row.rowsQuarantined > 0 ? (
          <Go href={`${hrefs.datasetVersion(row.dataset, row.version)}#quarantine`} className="link">
            {compact(row.rowsQuarantined)}{' '}
            <span className="small muted">
              {share(row.rowsQuarantined / (row.rows + row.rowsQuarantined))}
            </span>
          </Go>
        ) : (
          <span className="muted">none</span>
        )}
      </td>
      <td>
        <ChecksSign findings={row.findings} />
      </td>
      <td className="num" data-label="versions">
        {count(row.versions)}
      </td>
      <td className="num" data-label="size">
        {bytes(row.bytes)}
      </td>
      <td data-label="imported">
        <Ago at={row.importedAt} />
      </td>
    </tr>
  )
}

export function ChecksSign({ findings }: { findings: DatasetRow['findings'] }) {
  const total = findings.pass + findings.fail + findings.inconclusive + findings.error
  if (total === 0) return <Sign icon="ring" dashed word="no checks" tone="quiet" />
  if (findings.fail + findings.error > 0)
    return (
      <Sign
        icon="cross"
        word={`${count(findings.fail + findings.error)} of ${count(total)} fail`}
        tone="warn"
      />
    )
  if (findings.inconclusive > 0)
    return <Sign icon="ring" dashed word={`${count(findings.inconclusive)} inconclusive`} tone="calm" />
  return <Sign icon="check" word={`all ${count(total)} hold`} tone="ok" />
}
