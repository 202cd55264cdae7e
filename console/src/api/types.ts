/** The answers of `/api`, and names for the shapes inside them. */
export type * from '../../../src/api/contract.ts'

import type {
  DatasetVersionPage,
  DriftColumn,
  Finding,
  FleetRow,
  ModelPage,
  Pulse,
  ShapeSlotRow,
  VersionDetail,
  VersionRow,
  Why,
} from '../../../src/api/contract.ts'

export type Verdict = Finding['verdict']
export type Histogram = DriftColumn['reference']
export type Measured = VersionRow['metrics'][string]
export type Release = NonNullable<FleetRow['release']>
export type ReleaseState = Release['state']
export type Route = Release['routes'][number]
export type Signature = ModelPage['signature']
export type SignatureField = Signature['inputs'][number]
export type ProfiledColumn = DatasetVersionPage['columns'][number]
export type Explanation = Why['explanation']
export type ModelCard = VersionDetail['card']
export type TrainedOn = VersionRow['trainedOn']
export type MetricSeries = ModelPage['quality']['metrics'][number]
export type PulseRoute = Pulse['routes'][string][number]
export type ShapeSlot = ShapeSlotRow
export type Band = { value: number; low: number; high: number }
