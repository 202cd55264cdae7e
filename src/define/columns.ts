/**
 * The columns of each dataset, by name, for the type checker. Empty until `millrace types` writes
 * `declare module 'millrace' { interface Datasets { flights: { delay: number | null; … } } }`; from then on a feature, target or check of a
 * column that the dataset does not have fails `tsc`. A dataset that is not listed takes any column.
 */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declaration merging in the user's project
export interface Datasets {}

/** Names of the columns of dataset N, or any text when they are not known. */
export type ColumnsOf<N extends string> = N extends keyof Datasets ? keyof Datasets[N] & string : string
