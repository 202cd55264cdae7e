/** Names for what is guessed: of projects, datasets, models, and the constants that hold them in a config. */

/** Words that mean "the table" and say nothing. */
const EMPTY_TAILS = /[-_. ]+(train|training|data|dataset|full|raw|all|sample|additional)$/i
const GENERIC = /^(y|target|label|class|outcome|output|response|column_?\d+|c\d+)$/i

/** `data/adult-train.csv.gz` → `adult`. */
export function datasetName(path: string): string {
  const file = (path.split(/[\\/]/).at(-1) as string)
    // A table at an address is named without its schema.
    .replace(/^.*[?&]table=(?:[^.&]*\.)?([^&]+).*$/, '$1')
    .replace(/\?.*$/, '')
  const stem = file
    .replace(/\.(gz|zst)$/i, '')
    .replace(/\.(csv|tsv|txt|data|parquet|pq|json|ndjson|jsonl)$/i, '')
  return plainName(stem.replace(EMPTY_TAILS, '') || stem, 'data')
}

/** The target's name, or one after the dataset where that says nothing. */
export function modelName(target: string, dataset: string): string {
  return GENERIC.test(target) ? plainName(`${dataset}-model`, 'model') : plainName(target, 'model')
}

/** Letters, digits, `_` and `-`, beginning with a letter: what refs, files and URLs can hold. */
export function plainName(text: string, fallback: string): string {
  const ascii = text.normalize('NFKD').replace(/\p{M}/gu, '')
  const name = ascii
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/^[^A-Za-z]+|-+$/g, '')
    .slice(0, 63)
  return name === '' ? fallback : name
}

const RESERVED = new Set(
  'break case catch class const continue debugger default delete do else enum export extends false finally for function if implements import in instanceof interface let new null package private protected public return static super switch this throw true try typeof var void while with yield await async of canary checks col dataset each gates gbdt immediate linear lit maximize minimize model over project time under when m'.split(
    ' ',
  ),
)

/** A constant for a name: `house-prices` → `housePrices`; `suffix` is added where the word is taken. */
export function constantName(name: string, suffix: string, taken: ReadonlySet<string> = new Set()): string {
  const word = name.replace(
    /[-_]+([A-Za-z0-9])?/g,
    (_, next: string | undefined) => next?.toUpperCase() ?? '',
  )
  const start = word === '' ? 'the' : word[0].toLowerCase() + word.slice(1)
  return RESERVED.has(start) || taken.has(start) ? `${start}${suffix}` : start
}
