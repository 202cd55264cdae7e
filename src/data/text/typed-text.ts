/** Texts that are numbers, days, instants or truth values, in whatever spelling. */
const NUMBER =
  /^[-+(]?[$€£¥]?\s?\d{1,3}((?<t>[,.' \u00a0])\d{3}(\k<t>\d{3})*)?([.,]\d+)?(e[-+]?\d+)?\s?[%)]?$|^[-+]?\d+([.,]\d+)?(e[-+]?\d+)?%?$|^[-+]?[.,]\d+$/i
const DATE = /^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ]\d{1,2}:\d{2}.*)?$|^\d{1,2}:\d{2}(:\d{2})?$|^\d{4}-\d{2}$/
const WORD = /^(true|false)$/i

export function isTypedText(text: string): boolean {
  const trimmed = text.trim()
  return (
    trimmed.length > 0 &&
    trimmed.length < 40 &&
    (NUMBER.test(trimmed) || DATE.test(trimmed) || WORD.test(trimmed))
  )
}
