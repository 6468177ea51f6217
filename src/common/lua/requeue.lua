#!lua flags=allow-oom
-- Gives an entry back from a node to the origin stream, by its own worker. Protocol 4.4, 4.6, 4.7.
-- May run when Redis is out of memory: it stores what it deletes.
--
-- KEYS  1 requests:<node>  2 requests  3 job  4 epoch  5 events  6 callback
-- ARGV  1 workers' group  2 node  3 epoch  4 entry id  5 request id  6 attempt of the next try
--       7 tried (comma-separated)  8 last error  9 'started' (must be pending here) or 'unstarted'
--       (must not have been delivered)  10 '1' to write a `retrying` status entry  11 model
-- Result: {'requeued', new id}, {'fenced'}, {'lost'}, {'cancelled'} (end it with finish.lua)
if redis.call('GET', KEYS[4]) ~= ARGV[3] then
  return {'fenced'}
end
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[4], ARGV[4], 1)
local mine = #pending > 0 and pending[1][2] == ARGV[2]
if mine ~= (ARGV[9] == 'started') or (#pending > 0 and not mine) then
  return {'lost'}
end
local entry = redis.call('XRANGE', KEYS[1], ARGV[4], ARGV[4])
if #entry == 0 then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[4])
  return {'lost'}
end
local job = redis.pcall('HMGET', KEYS[3], 'state', 'entry', 'cancel', 'ttl_ms', 'router')
if job[1] == 'done' or (job[2] and job[2] ~= ARGV[4]) then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[4])
  redis.call('XDEL', KEYS[1], ARGV[4])
  return {'lost'}
end
if job[3] and mine then
  return {'cancelled'}
end

local fields = {}
local replaced = {attempt = 1, tried = 1, last_error = 1}
local given = entry[1][2]
for i = 1, #given, 2 do
  if not replaced[given[i]] then
    fields[#fields + 1] = given[i]
    fields[#fields + 1] = given[i + 1]
  end
end
for _, text in ipairs({'attempt', ARGV[6], 'tried', ARGV[7], 'last_error', ARGV[8]}) do
  fields[#fields + 1] = text
end

local id = redis.call('XADD', KEYS[2], '*', unpack(fields))
if job.err then
  redis.call('DEL', KEYS[3])
end
redis.call('HSET', KEYS[3], 'state', 'queued', 'entry', id, 'attempt', ARGV[6])
redis.call('HDEL', KEYS[3], 'node')
if redis.call('PTTL', KEYS[3]) < 0 then
  redis.call('PEXPIRE', KEYS[3], 86400000) -- Redis had forgotten the job; a request lives a day at most
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[4])
redis.call('XDEL', KEYS[1], ARGV[4])
if ARGV[10] == '1' then
  local status = redis.pcall('XADD', KEYS[6], '*', 'type', 'status', 'request_id', ARGV[5], 'attempt', ARGV[6],
    'state', 'retrying', 'node', ARGV[2])
  if type(status) == 'string' and redis.call('PTTL', KEYS[6]) < 0 then
    local left_ms = redis.call('PTTL', KEYS[3])
    redis.call('PEXPIRE', KEYS[6], left_ms > 0 and left_ms or 3600000)
  end
end
redis.pcall('XADD', KEYS[5], 'MAXLEN', '~', 10000, '*', 'event', 'requeued', 'request_id', ARGV[5], 'node', ARGV[2],
  'attempt', ARGV[6], 'model', ARGV[11], 'why', ARGV[8], 'routed_by', job[5] or '')
return {'requeued', id}
