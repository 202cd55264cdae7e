/**
 * Models of others served, alone and beside peers: the same files, the same rows, one core for the server and one for what asks it.
 *
 *   npm run bench -- serve [section …] [--peers] [--json] [--record]
 *
 * A section is a file of bench/serve/; `fleet`, `soak` and `deaths` take long and run when they are named. `--record` writes what came out into docs/concepts/performance.json, of which scripts/performance-plot.mjs draws the plot.
 * MILLRACE_SERVE_ONLY=MLServer,FastAPI asks some of the peers, MILLRACE_SERVE_SECONDS (default 3) is the length of a window, MILLRACE_SERVE_PAIRS (default 2) how often A B B A is gone through.
 * Needs Linux with two cores, wrk and h2load (Debian: apt-get install wrk nghttp2-client) and Python 3.11.
 */
import { runSections } from './measure/sections.ts'

await runSections('serve')
