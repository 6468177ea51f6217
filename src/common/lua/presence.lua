#!lua flags=allow-oom
-- A router's heartbeat. Costs no AOF bytes.
--
-- KEYS  1 routers  2 requests
-- ARGV  1 router id  2 its JSON without the closing brace
-- Result: {Redis time in ms, length of the origin stream}
redis.set_repl(redis.REPL_NONE)
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1],
  ARGV[2] .. ',"last_seen":' .. time[1] .. ',"last_seen_ms":' .. string.format('%.0f', now_ms) .. '}')
return {now_ms, redis.call('XLEN', KEYS[2])}
