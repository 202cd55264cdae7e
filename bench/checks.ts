/**
 * Data that is tested: labels, worth of rows, alone and beside peers.
 *
 *   npm run bench -- checks [section …] [--peers] [--json]
 *
 * A section is a file of bench/checks/. Times are CPU seconds.
 */
import { runSections } from './measure/sections.ts'

await runSections('checks')
