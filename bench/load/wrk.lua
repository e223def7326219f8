-- Sends raw calls from a file in turn and prints what wrk measured as one line of JSON. The file is the first argument after `--`.
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
  local function ms(microseconds)
    return string.format("%.3f", microseconds / 1000)
  end
  local errors = summary.errors
  print(string.format(
    '{"requests":%d,"microseconds":%d,"refused":%d,"lost":%d,"p50":%s,"p90":%s,"p95":%s,"p99":%s,"p999":%s,"max":%s}',
    summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    ms(latency:percentile(50)), ms(latency:percentile(90)), ms(latency:percentile(95)), ms(latency:percentile(99)),
    ms(latency:percentile(99.9)), ms(latency.max)
  ))
end
