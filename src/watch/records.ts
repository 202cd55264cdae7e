/** What watching remembers: one report a window, and a state that says where reading the log goes on. */
import type { Digest, Finding, Histogram, Measured, TimeWindow } from '../core/records.ts'
import type { LordState } from '../stats/multiplicity.ts'
import type { LogPosition } from '../store/ports.ts'

export interface MemberWindow {
  joined: number
  meanPredicted: number
  meanActual: number
  lead: Measured | null
}

export interface ColumnDrift {
  column: string
  psi: number
  /** Chance of such counts if the column had moved by no more than matters. */
  pValue: number
  n: number
  verdict: Finding['verdict']
  current: Histogram
}

export interface WindowReport {
  kind: 'WindowReport'
  model: string
  window: TimeWindow
  /** Version that was live when the window began, whose gate report and references it is judged against. */
  version: number
  predictions: number
  /** Where the log keeps a share of the answers: that share, and about how many were given. */
  sample?: number
  answered?: number
  /** Predictions whose outcome is known. */
  joined: number
  /** Rows whose outcome or output the task cannot take, e.g. 0.5 for a classifier. */
  refused: number
  /** Answered requests by version. */
  byVersion: Record<string, number>
  metrics: Record<string, Measured>
  meanPredicted: number
  meanActual: number
  /** Lead metric expected from the card, with the band of a window of this size. */
  expected: { metric: string; value: number; low: number; high: number } | null
  calibration: { meanPredicted: number; meanActual: number; n: number }[]
  /** How often each class was said and came true, where the model tells several apart; classes that it does not know come last. */
  classes?: { label: string; said: number; happened: number; isKnown: boolean }[]
  members: Record<string, MemberWindow>
  /** Row rules of the dataset on sampled live rows, beside what deliveries came to; absent from windows of older versions. */
  checks?: {
    check: string
    judged: number
    failed: number
    training: { judged: number; failed: number } | null
  }[]
  drift: ColumnDrift[]
  findings: Finding[]
}

/** One line a window, kept in the state so that a year of windows is read at once. */
export interface WindowSummary {
  window: TimeWindow
  report: Digest
  version: number
  predictions: number
  joined: number
  metrics: Record<string, Measured>
  meanPredicted: number
  meanActual: number
  expected: WindowReport['expected']
  verdict: Finding['verdict']
  drift: { column: string; psi: number; verdict: Finding['verdict'] }[]
}

export interface WatchState {
  kind: 'WatchState'
  model: string
  /** Oldest first. */
  windows: WindowSummary[]
  /** The first window that is not closed starts here; absent before the first prediction. */
  openFromAt?: number
  /** Where reading must begin to rebuild what is open. */
  checkpoint: { predictions?: LogPosition; outcomes?: LogPosition }
  /** What has been spent of the false alarms allowed. */
  fdr: LordState
}
