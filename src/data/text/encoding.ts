/** How the characters of a text file are written: by a byte-order mark, by where zero bytes lie, by what is valid; else by which reading looks like writing. */
import type { Guess, Sureness } from './guess.ts'

export interface Encoding {
  /** Label for TextDecoder. */
  name: string
  /** Bytes of the byte-order mark. */
  markBytes: number
  guess: Guess
}

/** Names that a dataset may pin, with those that people use for them. */
const LABELS: Record<string, string> = {
  'utf-8': 'utf-8',
  utf8: 'utf-8',
  'utf-16': 'utf-16le',
  'utf-16le': 'utf-16le',
  'utf-16be': 'utf-16be',
  'utf-32le': 'utf-32le',
  'utf-32be': 'utf-32be',
  'latin-1': 'latin-1',
  latin1: 'latin-1',
  'iso-8859-1': 'latin-1',
  'windows-1252': 'windows-1252',
  cp1252: 'windows-1252',
}

const MARKS: [bytes: number[], name: string][] = [
  [[0xff, 0xfe, 0, 0], 'utf-32le'],
  [[0, 0, 0xfe, 0xff], 'utf-32be'],
  [[0xef, 0xbb, 0xbf], 'utf-8'],
  [[0xff, 0xfe], 'utf-16le'],
  [[0xfe, 0xff], 'utf-16be'],
]

/** The encoding that a person named, or undefined for one that nothing here reads. */
export function encodingNamed(label: string): string | undefined {
  const name = LABELS[label.toLowerCase()] ?? label.toLowerCase()
  if (name === 'latin-1' || name.startsWith('utf-32')) return name
  try {
    return new TextDecoder(name).encoding
  } catch {
    return undefined
  }
}

export function markOf(head: Uint8Array): { name: string; bytes: number } | undefined {
  const found = MARKS.find(([bytes]) => bytes.every((byte, i) => head[i] === byte))
  return found && { name: found[1], bytes: found[0].length }
}

/** By the first bytes of a file; whether they are all is said, since a character may be cut at their end. */
export function guessEncoding(head: Uint8Array): Encoding {
  const mark = markOf(head)
  if (mark) return encoding(mark.name, 'sure', 'a byte-order mark', mark.bytes)
  const wide = wideOf(head)
  if (wide) return encoding(wide, 'likely', 'every other byte is zero, and there is no byte-order mark')
  if (isValid('utf-8', head))
    return head.every((byte) => byte < 0x80)
      ? encoding('utf-8', 'sure', 'all characters are ASCII')
      : encoding('utf-8', 'sure', 'what is not ASCII is valid UTF-8')
  return eightBits(head)
}

function encoding(name: string, sure: Sureness, why: string, markBytes = 0): Encoding {
  return { name, markBytes, guess: { what: 'encoding', value: name, sure, why, pin: `encoding: '${name}'` } }
}

function isValid(name: string, bytes: Uint8Array): boolean {
  try {
    new TextDecoder(name, { fatal: true }).decode(bytes, { stream: true })
    return true
  } catch {
    return false
  }
}

/** Text in UTF-16 or UTF-32 without a mark: Latin letters leave zero bytes at fixed places. */
function wideOf(head: Uint8Array): string | undefined {
  const n = Math.min(head.length, 4_096) & ~3
  if (n < 8) return undefined
  const zeros = [0, 0, 0, 0]
  for (let i = 0; i < n; i++) if (head[i] === 0) zeros[i & 3]!++
  const share = zeros.map((count) => count / (n / 4))
  const is = (...pattern: boolean[]) => pattern.every((zero, i) => (zero ? share[i]! > 0.7 : share[i]! < 0.3))
  if (is(false, true, true, true)) return 'utf-32le'
  if (is(true, true, true, false)) return 'utf-32be'
  if (is(false, true, false, true)) return 'utf-16le'
  return is(true, false, true, false) ? 'utf-16be' : undefined
}

/** Encodings of East Asia, with the range of characters that their texts mostly are. */
const EASTERN: [name: string, usual: RegExp][] = [
  ['big5', /[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]/g],
  ['shift_jis', /[\u3000-\u30ff\u4e00-\u9fff]/g],
  ['euc-kr', /[\uac00-\ud7a3]/g],
  ['gb18030', /[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]/g],
]

/**
 * In the West, bytes beyond ASCII stand alone between letters; in the East they stand in rows. Windows-1252 is told from Latin-1 by its quotes and dashes, where Latin-1 has control characters that no
 * text has.
 */
function eightBits(head: Uint8Array): Encoding {
  const { alone, inRows, controls, holes } = bytesBeyondAscii(head)
  if (inRows > alone) {
    const eastern = EASTERN.map(([name, usual]) => ({ name, share: usualShare(head, name, usual) }))
      .filter(({ share }) => share > 0.8)
      .sort((a, b) => b.share - a.share)
    if (eastern.length > 0)
      return encoding(
        eastern[0]!.name,
        'guess',
        `bytes beyond ASCII come in rows and read as characters of ${eastern[0]!.name}`,
      )
  }
  if (controls > 0 && holes === 0)
    return encoding(
      'windows-1252',
      'likely',
      'it is not UTF-8, and has quotes, dashes or signs that Windows-1252 has',
    )
  return encoding(
    'latin-1',
    controls > 0 ? 'guess' : 'likely',
    'it is not UTF-8, and bytes beyond ASCII stand alone between letters',
  )
}

/** Bytes that Windows-1252 has no character for. */
const HOLES = new Set([0x81, 0x8d, 0x8f, 0x90, 0x9d])

function bytesBeyondAscii(head: Uint8Array): {
  alone: number
  inRows: number
  controls: number
  holes: number
} {
  const seen = { alone: 0, inRows: 0, controls: 0, holes: 0 }
  for (let i = 0; i < head.length; i++) {
    const byte = head[i]!
    if (byte < 0x80) continue
    if ((head[i - 1] ?? 0) >= 0x80 || (head[i + 1] ?? 0) >= 0x80) seen.inRows++
    else seen.alone++
    if (byte < 0xa0) seen.controls++
    if (HOLES.has(byte)) seen.holes++
  }
  return seen
}

/** Of the characters beyond ASCII, the share that is usual in such texts; 0 where bytes are not valid in more than a few places. */
function usualShare(head: Uint8Array, name: string, usual: RegExp): number {
  const text = new TextDecoder(name).decode(head, { stream: true })
  const beyond = text.match(/[^\0-\x7f]/g)?.length ?? 0
  return beyond === 0 ? 0 : (text.match(usual)?.length ?? 0) / beyond
}
