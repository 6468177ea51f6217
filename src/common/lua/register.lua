#!lua flags=allow-oom
-- A worker announces itself: a new epoch, its group, its health. Protocol 4.6.
-- Unlike a heartbeat this is written to the AOF, so that a restarted Redis knows which nodes had work.
--
-- KEYS  1 health  2 epoch  3 requests:<node>  4 events
-- ARGV  1 node  2 workers' group  3 health without its closing brace  4 lowest epoch to take (above
--       the one this process had, for a Redis that has forgotten it)
-- Result: {'ok', epoch, Redis time in ms}
local created = redis.pcall('XGROUP', 'CREATE', KEYS[3], ARGV[2], '0', 'MKSTREAM')
if created.err and not string.find(created.err, 'BUSYGROUP', 1, true) then
  return created
end
local time = redis.call('TIME')
local epoch, lowest = redis.call('INCR', KEYS[2]), tonumber(ARGV[4])
-- Redis does not know the node, or has forgotten it while an earlier process of it runs on somewhere:
-- a counter that began again would give both the same epoch. The clock is above whatever was before.
if epoch == 1 then
  lowest = math.max(lowest, tonumber(time[1]))
end
if epoch < lowest then
  epoch = lowest
  redis.call('SET', KEYS[2], epoch)
end
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1],
  ARGV[3] .. ',"last_seen":' .. time[1] .. ',"last_seen_ms":' .. string.format('%.0f', now_ms) .. '}')
redis.pcall('XADD', KEYS[4], 'MAXLEN', '~', 10000, '*', 'event', 'node_up', 'node', ARGV[1], 'epoch', epoch)
return {'ok', epoch, now_ms}
