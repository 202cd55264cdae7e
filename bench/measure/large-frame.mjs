// One run of a frame that is larger than its memory, in a process of its own: `node large-frame.mjs '{ path, out, threads }'` prints seconds and the most memory it held.
import { count, openFrames, sum } from '../../dist/frame/index.js'

const { path, out, threads } = JSON.parse(process.argv[2])
const MEMORY_MB = 1_200

const begun = performance.now()
const frames = openFrames({ memoryMb: MEMORY_MB, threads })
await frames
  .frame(path)
  .groupBy('id1', 'id2', 'id3', 'id4', 'id5', 'id6')
  .agg({ v3: sum('v3'), count: count() }, { sort: false })
  .write(out)
await frames.close()
const { user, system } = process.cpuUsage()
const peakMb = process.resourceUsage().maxRSS / 1024
process.stdout.write(
  `${JSON.stringify({ wall: (performance.now() - begun) / 1000, cpu: (user + system) / 1e6, peakMb })}\n`,
)
