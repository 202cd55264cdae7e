/**
 * Data at any size: rows as they happen, versions, differences, files, alone and beside peers.
 *
 *   npm run bench -- versions [section …] [--peers] [--json]
 *
 * A section is a file of bench/versions/. Times are CPU seconds unless a line says otherwise.
 */
import { runSections } from './measure/sections.ts'

await runSections('versions')
