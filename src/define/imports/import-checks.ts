import { importDqdl } from './dqdl.ts'
import { importGreatExpectations } from './great-expectations.ts'
import type { ImportedChecks } from './imported.ts'

/**
 * Checks from the text of a file of another tool: a suite of Great Expectations (JSON), or a ruleset in DQDL. What no check says is listed with why, never dropped in
 * silence. Errors: MR_DEFINE_IMPORT when it is neither.
 */
export function importChecks(text: string): ImportedChecks {
  return /^\s*[[{]/.test(text) ? importGreatExpectations(text) : importDqdl(text)
}
