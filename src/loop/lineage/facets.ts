/** Run events and facets of OpenLineage as plain data. Source: https://openlineage.io/spec/2-0-2/OpenLineage.json and the facets' own schemas, test/reference/openlineage. */
import type { Json } from '../../core/canonical.ts'
import type { DatasetVersion, Finding } from '../../core/records.ts'
import { mergeStats } from '../../data/index.ts'
import type { CheckDef } from '../../define/types.ts'

export interface RunEvent {
  eventType: 'START' | 'COMPLETE' | 'FAIL'
  eventTime: string
  producer: string
  schemaURL: string
  run: { runId: string; facets: Facets }
  job: { namespace: string; name: string; facets: Facets }
  inputs: LineageDataset[]
  outputs: LineageDataset[]
}

export type Facets = Record<string, Json>

export interface LineageDataset {
  namespace: string
  name: string
  facets?: Facets
  inputFacets?: Facets
  outputFacets?: Facets
}

export const RUN_EVENT_SCHEMA = 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent'

/** Facets that are sent, with the version of the schema that each keeps. */
const SCHEMAS = {
  ColumnLineageDatasetFacet: '1-2-0',
  DataQualityAssertionsDatasetFacet: '1-1-0',
  DataQualityMetricsDatasetFacet: '1-0-0',
  DatasetVersionDatasetFacet: '1-0-1',
  DatasourceDatasetFacet: '1-0-1',
  DocumentationJobFacet: '1-1-0',
  ErrorMessageRunFacet: '1-0-1',
  JobTypeJobFacet: '2-0-4',
  OutputStatisticsOutputDatasetFacet: '1-0-2',
  ParentRunFacet: '1-2-0',
  ProcessingEngineRunFacet: '1-1-1',
  SchemaDatasetFacet: '1-2-0',
} as const

/** Makes facets that say who sends them. */
export class FacetMaker {
  readonly producer: string
  readonly #version: string

  constructor(version: string) {
    this.#version = version
    this.producer = `https://www.npmjs.com/package/millrace/v/${version}`
  }

  #facet(name: keyof typeof SCHEMAS, content: Facets): Json {
    return {
      _producer: this.producer,
      _schemaURL: `https://openlineage.io/spec/facets/${SCHEMAS[name]}/${name}.json#/$defs/${name}`,
      ...content,
    }
  }

  engine(): Facets {
    const content = { name: 'Millrace', version: this.#version, openlineageAdapterVersion: this.#version }
    return { processing_engine: this.#facet('ProcessingEngineRunFacet', content) }
  }

  error(message: string): Facets {
    const content = { message, programmingLanguage: 'TypeScript' }
    return { errorMessage: this.#facet('ErrorMessageRunFacet', content) }
  }

  parent(runId: string, namespace: string, name: string): Facets {
    return { parent: this.#facet('ParentRunFacet', { run: { runId }, job: { namespace, name } }) }
  }

  job(jobType: string, description: string): Facets {
    const type = { processingType: 'BATCH', integration: 'MILLRACE', jobType }
    return {
      jobType: this.#facet('JobTypeJobFacet', type),
      documentation: this.#facet('DocumentationJobFacet', { description }),
    }
  }

  version(datasetVersion: string): Facets {
    return { version: this.#facet('DatasetVersionDatasetFacet', { datasetVersion }) }
  }

  source(name: string, uri: string): Facets {
    return { dataSource: this.#facet('DatasourceDatasetFacet', { name, uri }) }
  }

  schema({ columns }: DatasetVersion['schema']): Facets {
    const fields = columns.map(({ name, type }, i) => ({ name, type, ordinal_position: i + 1 }))
    return { schema: this.#facet('SchemaDatasetFacet', { fields }) }
  }

  /** Counts and ends of the columns, from the statistics of the parts. */
  metrics({ schema, parts, rows }: Pick<DatasetVersion, 'schema' | 'parts' | 'rows'>): Facets {
    const columnMetrics: Facets = {}
    for (const { name } of schema.columns) {
      const stats = mergeStats(parts, name)
      if (stats === undefined) continue
      const { nulls, min, max } = stats
      columnMetrics[name] = {
        nullCount: nulls,
        count: rows - nulls,
        ...(typeof min === 'number' && Number.isFinite(min) && { min }),
        ...(typeof max === 'number' && Number.isFinite(max) && { max }),
      }
    }
    const bytes = parts.reduce((n, part) => n + part.bytes, 0)
    const content = { rowCount: rows, bytes, fileCount: parts.length, columnMetrics }
    return { dataQualityMetrics: this.#facet('DataQualityMetricsDatasetFacet', content) }
  }

  /** What checks came to. One without a verdict, for want of rows, is no assertion. */
  assertions(findings: readonly Finding[], checks: readonly CheckDef[]): Facets {
    const said = findings.filter(({ verdict }) => verdict !== 'inconclusive')
    if (said.length === 0) return {}
    const assertions = said.map((finding) =>
      assertionOf(
        finding,
        checks.find(({ name }) => name === finding.check),
      ),
    )
    return { dataQualityAssertions: this.#facet('DataQualityAssertionsDatasetFacet', { assertions }) }
  }

  output(rowCount: number, size: number, fileCount: number): Facets {
    return {
      outputStatistics: this.#facet('OutputStatisticsOutputDatasetFacet', { rowCount, size, fileCount }),
    }
  }

  columns(
    fields: Record<string, { namespace: string; name: string; field: string; type: string }[]>,
  ): Facets {
    const entries = Object.entries(fields).map(([column, inputs]) => [
      column,
      {
        inputFields: inputs.map(({ type, ...input }) => ({
          ...input,
          transformations: [{ type: 'DIRECT', subtype: type }],
        })),
      },
    ])
    return {
      columnLineage: this.#facet('ColumnLineageDatasetFacet', { fields: Object.fromEntries(entries) }),
    }
  }
}

const KINDS: Partial<Record<CheckDef['rule']['kind'], string>> = {
  unique: 'unique',
  rowCount: 'row_count',
  fresh: 'freshness',
  exists: 'relationship',
  row: 'expression',
}

function assertionOf({ check, verdict, value, limit, message }: Finding, def: CheckDef | undefined): Json {
  const rule = def?.rule
  const columns = rule && 'columns' in rule ? rule.columns : []
  return {
    assertion: (rule && (KINDS[rule.kind] ?? rule.kind)) ?? 'custom',
    name: check,
    success: verdict === 'pass',
    severity: def?.onFail === 'stop' ? 'error' : 'warn',
    ...(columns.length === 1 && { column: columns[0]! }),
    ...(limit !== '' && { expected: limit }),
    ...(value !== null && { actual: String(value) }),
    description: message,
  }
}
