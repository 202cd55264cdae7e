/**
 * Training, scoring and explaining, alone and beside peers.
 *
 *   npm run bench -- train [section …] [--peers] [--json]
 *
 * A section is a file of bench/train/. Without names all sections run. `--peers` needs `node bench/peers/install.mjs` once. Times are CPU seconds, the least of
 * alternating rounds.
 */
import { runSections } from './measure/sections.ts'

await runSections('train')
