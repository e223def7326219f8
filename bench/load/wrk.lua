-- Sends raw calls from a file in turn and prints what wrk measured as one line of JSON, a `LoadReport` of
-- bench/figures.ts. The file is the first argument after `--`. wrk itself counts every status from 400 on as
-- an error; what has another one below that is taken for good.
local requests = {}
local at = 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  while true do
    local line = file:read("*l")
    if not line then
      break
    end
    requests[#requests + 1] = file:read(tonumber(line))
  end
  file:close()
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  local errors = summary.errors
  local seconds = summary.duration / 1e6
  local expected = summary.requests - errors.status
  local lost = errors.connect + errors.read + errors.write + errors.timeout
  local unexpected = {}
  if errors.status > 0 then
    unexpected[#unexpected + 1] = string.format('"refused":%d', errors.status)
  end
  if lost > 0 then
    unexpected[#unexpected + 1] = string.format('"0":%d', lost)
  end
  local latencies = {}
  for name, share in pairs({ p50 = 50, p95 = 95, p99 = 99, p999 = 99.9 }) do
    latencies[#latencies + 1] = string.format('"%s":%.3f', name, latency:percentile(share) / 1000)
  end
  latencies[#latencies + 1] = string.format('"max":%.3f', latency.max / 1000)
  print(table.concat({
    string.format('{"expected":%d,"perSecond":%.3f', expected, expected / seconds),
    string.format('"unexpected":{%s},"dropped":0', table.concat(unexpected, ",")),
    string.format('"latencyMs":{%s},"overTime":[]}', table.concat(latencies, ",")),
  }, ","))
end
