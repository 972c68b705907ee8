-- Asks what a file lists: at random from a seed, or in order from the request of a number.
--   wrk ... -s wrk.lua URL -- FILE SEED|'from NUMBER'
-- A line of the file has the method, the path, the body or nothing, and headers, between tabs.
-- Prints what was measured as one line of JSON, times in microseconds.
local requests = {}

function init(arguments)
    for line in io.lines(arguments[1]) do
        local method, path, body, rest = line:match("^(%u+)\t([^\t]+)\t([^\t]*)(.*)$")
        local headers = {}
        for name, value in rest:gmatch("\t([^:\t]+): ([^\t]*)") do
            headers[name] = value
        end
        requests[#requests + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
    end
    local first = arguments[2]:match("^from (%d+)$")
    if not first then
        math.randomseed(tonumber(arguments[2]))
        return
    end
    local next = tonumber(first)
    function request()
        next = next + 1
        return requests[(next - 1) % #requests + 1]
    end
end

function request()
    return requests[math.random(#requests)]
end

function done(summary, latency)
    local errors = summary.errors
    print(string.format(
        'RESULT {"answers": %d, "seconds": %.6f, "bytes": %d, "p50": %d, "p99": %d, "refused": %d, "broken": %d}',
        summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50), latency:percentile(99),
        errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
