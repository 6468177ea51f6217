#!lua flags=allow-oom
-- Claims the pending entries of a router that is gone, then deletes its consumer. Protocol 4.5:
-- XGROUP DELCONSUMER would lose whatever is still pending, so it runs only when nothing is.
--
-- KEYS  1 requests  2 routers
-- ARGV  1 routers' group  2 router id  3 the other's id  4 silence after which it is gone, ms
--       5 most entries to claim
-- Result: {'alive'}, {'adopted', number}, {'deleted'} (nothing was pending)
local presence = redis.call('HGET', KEYS[2], ARGV[3])
if presence then
  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  local seen_ms = tonumber(string.match(presence, '"last_seen_ms":(%d+)'))
  if not seen_ms then
    local seen_s = tonumber(string.match(presence, '"last_seen":%s*(%d+)'))
    seen_ms = seen_s and seen_s * 1000 + 999
  end
  if seen_ms and math.abs(now_ms - seen_ms) <= tonumber(ARGV[4]) then
    return {'alive'}
  end
end
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[5], ARGV[3])
if #pending == 0 then
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[3])
  redis.call('HDEL', KEYS[2], ARGV[3])
  return {'deleted'}
end
for _, row in ipairs(pending) do
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, row[1], 'JUSTID')
end
return {'adopted', #pending}
