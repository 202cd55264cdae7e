/**
 * A form of model: how one kind of model is checked, kept as bytes, scored and explained. Everything else of the house asks the form and knows no kind.
 * A new kind of model is a file in `forms/` and a line in `forms/registry.ts`.
 */
import type { Json } from '../core/canonical.ts'
import type { ModelFormat } from '../core/records.ts'
import type { OnnxGraphWriter } from './export/onnx-writer.ts'
import type { FeatureRows } from './feature-rows.ts'
import type { Link } from './trees.ts'

/** What all models have. */
export interface ModelBase {
  kind: string
  nFeatures: number
  /** Raw scores a row has: 1, or one a class. */
  nOutputs: number
  link: Link
}

/** Raw scores, before link and calibration. Owns scratch memory: not to be shared between threads. */
export interface Kernel {
  /** Raw scores of `n` rows that lie row by row, into `out[0, n * nOutputs)`, row by row. */
  rows(rows: Float64Array, n: number, out: Float64Array): void
  /** Raw score of one row `[nFeatures]`, where there is one output: faster than a batch of one. */
  row?(x: Float64Array): number
  /** Bytes that it keeps now, in and outside the JavaScript heap, where they can be told exactly. */
  readonly bytes?: number
  /** Gives back memory outside the JavaScript heap; the kernel is not to be used again. It is given back without this too, some time after nobody holds the kernel. */
  close?(): void
}

/** How a raw score came about: `raw = base + sum(contributions) + residual`. */
export interface Explanation {
  /** Expected raw score over the training rows. */
  base: number
  /** `[nFeatures]`, on the raw score (log-odds for `sigmoid`). */
  contributions: Float64Array
  raw: number
  /** What rounding leaves of an exact method, about 1e-15 of the score's size; more where the method is approximate. */
  residual: number
}

/** What made contributions, and whether they are what their definition says or an estimate of it. */
export interface ExplanationWay {
  /**
   * What stands for a feature that is not known. `tree-path`: both sides of its splits, by cover. `interventional`: its values in background rows.
   * `closed-form`: its mean, in a formula. `permutation`: a base row or background rows, over sampled orders. `integrated-gradients`: a way from a base row.
   */
  method: 'tree-path' | 'interventional' | 'closed-form' | 'permutation' | 'integrated-gradients'
  exact: boolean
}

/** Explains rows of one model. Owns scratch memory: not to be shared between threads. */
export interface Explainer {
  /** Default: a closed form, exact. */
  readonly how?: ExplanationWay
  /** Expected raw score of each output over the training rows. */
  readonly bases: Float64Array
  /** `output` (0) is the one explained. Errors: MR_MODEL_SHAPE. */
  explain(x: Float64Array, output?: number): Explanation
}

/** Rows that stand for what is not known. */
export interface RowsBehind {
  rows: FeatureRows
  n: number
}

/** A layer of a model whose numbers can be read. */
export interface HiddenLayer {
  /** For people: `leaves of 200 trees`. */
  name: string
  width: number
  /** `[n * width]` of `n` rows that lie row by row. */
  rows(rows: Float64Array, n: number): Float64Array
}

/** One of the parts that a model's score is the sum of, such as a tree. */
export interface ModelPiece {
  /** The same only where both parts do the same with the same features. */
  text: string
  nodes: number
  /** Feature of each place where it tells rows apart. */
  features: number[]
}

export type NamedArrays = [name: string, values: ArrayLike<number>][]

/** Sections of a model file by name, each to be taken once. */
export interface SectionReader {
  /** Errors: MR_MODEL_FORMAT when the section is absent or has another length than expected. */
  take(name: string, length?: number): Float64Array
  has(name: string): boolean
  /** Errors: MR_MODEL_FORMAT when the lengths differ. */
  expect(name: string, expected: number, got: number): void
}

/** What the header of a model file says beside the arrays. Read from a file, so that nothing in it may be trusted. */
export interface FormHead extends ModelBase {
  extra: Record<string, Json>
}

/** A kernel that one thread made ready for another: plain data, which its form alone can read. */
export interface PackedKernel extends ModelBase {
  /** Bytes that the kernel will take. */
  bytes: number
}

export interface ModelForm<M extends ModelBase> {
  kind: M['kind']
  /** Name in `ModelVersion.format`. */
  format: Exclude<ModelFormat, 'onnx'>
  /** Errors: MR_MODEL_INVALID with the place. Kind, counts and link were checked before. */
  validate(model: M): void
  /** Small values that go into the header, beside those of `ModelBase`; nothing when there are none. */
  extra?(model: M): Record<string, Json>
  arrays(model: M): NamedArrays
  /** The inverse of `arrays` and `extra`. What it gives is validated after. Errors: MR_MODEL_FORMAT. */
  read(head: FormHead, arrays: SectionReader): M
  kernel(model: M): Kernel
  /** The kernel as data, so that another thread need not make it; nothing where it would have none that can be handed over. Absent where models are small. */
  pack?(model: M): PackedKernel | null
  /** What `pack` gave, ready; nothing where there is no memory for it. Cost: O(bytes), as of copying them. */
  unpack?(packed: PackedKernel): Kernel | null
  explainer(model: M): Explainer
  /**
   * Contributions of many rows at once, exact: `[n, nOutputs, nFeatures]`, row-major. Rows lie row by row, or one column a feature. Against
   * background rows where they are given. Absent where `explainer` is as good.
   */
  contributions?(model: M, rows: FeatureRows, n: number, background?: RowsBehind): Float64Array
  /** What the model makes of rows before its answer: rows that it treats alike lie near to one another. Absent where nothing lies between features and answer. */
  hidden?(model: M): HiddenLayer
  /** Parts that versions are compared by, and what one is called; `keys` name features and what was learned of them. Absent where versions are compared by their arrays. */
  pieces?: { noun: string; of(model: M, keys: readonly string[]): ModelPiece[] }
  /** Bytes that a ready scorer of the model takes, about. */
  scorerBytes(model: M): number
  /** Writes the model's raw scores into an ONNX graph, from a tensor `[rows, nFeatures]`, and gives the name of theirs. Absent when it cannot be written. */
  writeOnnx?(model: M, graph: OnnxGraphWriter, features: string): string
}
