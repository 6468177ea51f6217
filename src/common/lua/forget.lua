#!lua flags=allow-oom
-- Forgets a node that has been silent for node_forget and has no work left. Protocol 1.
--
-- KEYS  1 health  2 epoch  3 requests:<node>
-- ARGV  1 node  2 node_forget_ms
-- Result: {'forgotten'}, {'alive'}, {'busy'} (entries are left: take them back first)
local health = redis.call('HGET', KEYS[1], ARGV[1])
if health then
  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  local seen_s = tonumber(string.match(health, '"last_seen":%s*(%d+)'))
  if seen_s and now_ms - seen_s * 1000 <= tonumber(ARGV[2]) then
    return {'alive'}
  end
end
if redis.call('XLEN', KEYS[3]) > 0 then
  return {'busy'}
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[3], KEYS[2])
return {'forgotten'}
