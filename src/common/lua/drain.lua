#!lua flags=allow-oom
-- Applies one `drain` or `undrain` of the control stream, once and in order (see cancel.lua).
-- Any other entry is only marked as applied, with op ''.
--
-- KEYS  1 control  2 drained  3 events
-- ARGV  1 routers' group  2 id of the control entry  3 'drain', 'undrain' or ''  4 node
-- Result: {'ok'} or {'seen'}
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local found = false
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local at = {}
  for i = 1, #group, 2 do
    at[group[i]] = group[i + 1]
  end
  if at['name'] == ARGV[1] then
    found = true
    local last_ms, last_seq = parts(at['last-delivered-id'])
    local ms, seq = parts(ARGV[2])
    if ms < last_ms or (ms == last_ms and seq <= last_seq) then
      return {'seen'}
    end
  end
end
if not found then
  return redis.error_reply('NOGROUP the control stream has no group ' .. ARGV[1])
end
if ARGV[3] == 'drain' then
  redis.call('SADD', KEYS[2], ARGV[4])
elseif ARGV[3] == 'undrain' then
  redis.call('SREM', KEYS[2], ARGV[4])
end
redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], ARGV[2])
if ARGV[3] ~= '' then
  redis.pcall('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', 'event', ARGV[3], 'node', ARGV[4])
end
return {'ok'}
