#!lua flags=allow-oom
-- Applies one `cancel` of the control stream, once: the group's last-delivered id is the mark of what
-- some router has applied already. Protocol 6.
--
-- KEYS  1 control  2 job  3 requests
-- ARGV  1 routers' group  2 id of the control entry  3 its milliseconds  4 time to live of a mark, ms
-- Result: {state of the job}: 'done', 'queued', 'routed', 'running', 'marked' (no job yet: a mark is
--       left for a request that waits unread), 'unknown' (nothing waits: nothing is done),
--       'seen' (applied before)
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function seen()
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local at = {}
    for i = 1, #group, 2 do
      at[group[i]] = group[i + 1]
    end
    if at['name'] == ARGV[1] then
      local last_ms, last_seq = parts(at['last-delivered-id'])
      local ms, seq = parts(ARGV[2])
      return ms < last_ms or (ms == last_ms and seq <= last_seq)
    end
  end
end
local is_seen = seen()
if is_seen == nil then
  return redis.error_reply('NOGROUP the control stream has no group ' .. ARGV[1])
end
if is_seen then
  return {'seen'}
end
local state = redis.call('HGET', KEYS[2], 'state')
if state and state ~= 'done' then
  redis.call('HSET', KEYS[2], 'cancel', ARGV[3])
elseif not state and redis.call('XLEN', KEYS[3]) > 0 then
  redis.call('HSET', KEYS[2], 'cancel', ARGV[3])
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
  state = 'marked'
end
redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], ARGV[2])
return {state or 'unknown'}
