#!lua flags=allow-oom
-- Somebody has added an entry with an id from the far future: every later id is above it, and after the
-- highest possible one XADD fails for everybody. Adds such entries again under ids of the clock, and puts
-- the stream's last id and the group's back. By any router; what one of them had read of these entries is
-- then no longer pending, so its scripts find nothing and it reads them again.
-- May run when Redis is out of memory: it stores what it deletes.
--
-- KEYS  1 requests
-- ARGV  1 routers' group  2 how far in the future an id may be, ms  3 most entries to add again
-- Result: {'fine'}, {'healed', entries added again}, {'busy'}: an entry that cannot be added again (it came
--       back from a node, has too many fields, or there are too many) must leave first, or this is Redis 8
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local limit_ms = now_ms + tonumber(ARGV[2])

local function ms_of(id)
  return tonumber(string.match(id, '^%d+'))
end

local info = {}
local flat = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #flat, 2 do
  info[flat[i]] = flat[i + 1]
end
if ms_of(info['last-generated-id']) <= limit_ms then
  return {'fine'}
end
local future = redis.call('XRANGE', KEYS[1], string.format('%.0f', limit_ms), '+', 'COUNT', tonumber(ARGV[3]) + 1)
if #future > tonumber(ARGV[3]) then
  return {'busy'}
end
for _, entry in ipairs(future) do
  local fields = entry[2]
  if #fields > 4000 then
    return {'busy'}
  end
  for i = 1, #fields, 2 do
    if fields[i] == 'origin_id' then
      return {'busy'} -- the job knows it by this id
    end
  end
end

-- From Redis 8 on XSETID takes no id below the highest deleted one, so what is deleted here could not be
-- added again. Nothing is touched then: an operator must remove the stream once it is empty (SECURITY.md).
if redis.REDIS_VERSION_NUM >= 0x00080000 and (#future > 0 or ms_of(info['max-deleted-entry-id']) > limit_ms) then
  return {'busy'}
end

for _, entry in ipairs(future) do
  redis.call('XACK', KEYS[1], ARGV[1], entry[1])
  redis.call('XDEL', KEYS[1], entry[1])
end
local top = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local target = top[1] and top[1][1] or string.format('%.0f-0', now_ms)
redis.call('XSETID', KEYS[1], target, 'ENTRIESADDED', info['entries-added'] or 0, 'MAXDELETEDID', target)
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local of = {}
  for i = 1, #group, 2 do
    of[group[i]] = group[i + 1]
  end
  if of.name == ARGV[1] and ms_of(of['last-delivered-id']) > limit_ms then
    redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], target)
  end
end
for _, entry in ipairs(future) do
  redis.call('XADD', KEYS[1], '*', unpack(entry[2]))
end
return {'healed', #future}
