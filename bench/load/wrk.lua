-- Asks with the bodies of a folder in turn, and prints one line of JSON at the end: `wrk … <url> -- <folder> <bodies> [header] [value] …`
local requests, at = {}, 0

function init(args)
  wrk.method = "POST"
  for i = 3, #args, 2 do wrk.headers[args[i]] = args[i + 1] end
  for i = 0, tonumber(args[2]) - 1 do
    local file = assert(io.open(args[1] .. "/" .. i, "rb"))
    requests[i + 1] = wrk.format(nil, nil, nil, file:read("*a"))
    file:close()
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  local lost = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    '{"requests":%d,"seconds":%f,"refused":%d,"lost":%d,"p50Ms":%f,"p99Ms":%f}\n',
    summary.requests, summary.duration / 1e6, errors.status, lost,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
