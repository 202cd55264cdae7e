/**
 * The fitted feature pipeline: features in order, what they learned from the training rows, and the same numbers from SQL and from one request.
 *
 * planFeatures → fitSql (queries over the training rows) → fittedFrom (their answers) → featureRowFn for requests, featureSelectSql for rows in bulk.
 *
 * - category: code 0 … k-1 by falling row count, then by value; unseen and dropped values share code k; missing is NaN.
 * - rate: (sum of the target + smoothing × prior) / (rows + smoothing) of the value's training rows, prior being the mean over all of them. Unseen values: the prior.
 *   Missing: NaN. Target sums are exact in fixed point of 2^-40, so that the order in which threads meet rows cannot change a model.
 * - booleans are 0 and 1; missing is NaN (NULL in SQL).
 */
export { featureRowFn } from './feature-row.ts'
export {
  featureSelectSql,
  type SelectOptions,
  type TrainingOptions,
  trainingSelectSql,
} from './feature-select.ts'
export { type FitQuery, fitSql, fittedFrom, RATE_SMOOTHING, RATE_VALUES_MAX } from './fit-sql.ts'
export {
  type FeatureInputDef,
  type FeaturePlan,
  FITTED_VERSION,
  type FittedFeature,
  type FittedFeatures,
  type FittedState,
  type PlannedFeature,
  planFeatures,
  readFitted,
} from './fitted.ts'
export type { Relation } from './relation.ts'
