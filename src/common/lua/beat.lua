#!lua flags=allow-oom
-- A worker's heartbeat, and its question whether the work it runs is still its own. Protocol 4.8:
-- it costs no AOF bytes, so an idle cluster does not wear out an SD card.
--
-- KEYS  1 health  2 epoch  3 drained  4 requests:<node>  5... job of each running entry
-- ARGV  1 node  2 epoch  3 health without its closing brace  4 workers' group  5... entry id of each
-- Result: {'ok', Redis time in ms, drained 0 or 1, then for each entry 'run', 'cancel' or 'lost'}
--       {'fenced'}        a newer process has this node id
--       {'unregistered'}  Redis has forgotten this node: register again
redis.set_repl(redis.REPL_NONE)
local epoch = redis.call('GET', KEYS[2])
if epoch ~= ARGV[2] then
  if epoch and tonumber(epoch) > tonumber(ARGV[2]) then
    return {'fenced'}
  end
  return {'unregistered'}
end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1],
  ARGV[3] .. ',"last_seen":' .. time[1] .. ',"last_seen_ms":' .. string.format('%.0f', now_ms) .. '}')
local result = {'ok', now_ms, redis.pcall('SISMEMBER', KEYS[3], ARGV[1]) == 1 and 1 or 0}
for i = 5, #KEYS do
  local pending = redis.pcall('XPENDING', KEYS[4], ARGV[4], ARGV[i], ARGV[i], 1, ARGV[1])
  local verdict = 'run'
  if pending.err or #pending == 0 then
    verdict = 'lost'
  elseif redis.pcall('HEXISTS', KEYS[i], 'cancel') == 1 then
    verdict = 'cancel'
  end
  result[#result + 1] = verdict
end
return result
