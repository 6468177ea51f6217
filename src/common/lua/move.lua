-- Moves one request from the origin stream to a node's stream. Protocol 4.1.
--
-- KEYS  1 requests  2 requests:<node>  3 job  4 callback  5 events  6 drained  7 health
-- ARGV  1 routers' group  2 router id  3 entry id  4 node  5 credit (longest length of the node's
--       stream before the move, plus one)  6 request id  7 attempt  8 submitted_ms  9 deadline_ms
--       10 tried (nodes that failed it, comma-separated)  11 '1' if the entry came back from a node
--       12 response_ttl_ms  13 why, in words  14 '1' to write a status entry  15 model
--       16 last error (of an earlier attempt)
-- Result: {'moved', new id}, with a third element 'foreign job' if a key of another type stood in
--       the job's place and was removed; or why not, nothing changed but where said:
--       {'lost'}       not pending at this router (any more)
--       {'duplicate'}  the request id was seen before; the entry is gone now
--       {'forged'}     it claims to come back from a node, but no job says so
--       {'cancelled'}  {'expired'}  end it with end.lua
--       {'drained'}  {'unknown_node'}  {'unavailable'}  {'full'}  try another node
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if #pending == 0 then
  return {'lost'}
end
local entry = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])
if #entry == 0 then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
  return {'lost'}
end

local function event(...)
  redis.pcall('XADD', KEYS[5], 'MAXLEN', '~', 10000, '*', ...)
end

-- A key of another type in the job's place is no job: a poisoned name must not stop a request.
local job = redis.pcall('HMGET', KEYS[3], 'state', 'entry', 'cancel', 'ttl_ms', 'attempt')
local attempt = ARGV[7]
-- A job that is not done though its deadline has passed (it lives ttl_ms longer than that) has lost
-- its entry. The client may send it again, and whoever still holds the old entry finds it changed.
if job[1] and job[1] ~= 'done' and ARGV[11] ~= '1' and redis.call('PTTL', KEYS[3]) < (tonumber(job[4]) or 0) then
  attempt = (tonumber(job[5]) or 0) + 1 -- pieces of the lost attempt may stand in the reply
  job = {false, false, job[3]} -- a cancel may mean the one that is here now
end
if not job[1] and ARGV[11] == '1' then
  return {'forged'}
end
if job[1] and not (ARGV[11] == '1' and job[1] == 'queued' and job[2] == ARGV[3]) then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
  redis.call('XDEL', KEYS[1], ARGV[3])
  event('event', 'duplicate', 'request_id', ARGV[6], 'router', ARGV[2])
  return {'duplicate'}
end
if job[3] and (tonumber(job[3]) or 0) >= tonumber(ARGV[8]) then
  return {'cancelled'}
end

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local left_ms = tonumber(ARGV[9]) - now_ms
if left_ms <= 0 then
  return {'expired'}
end
if redis.pcall('SISMEMBER', KEYS[6], ARGV[4]) == 1 then
  return {'drained'}
end
local health = redis.call('HGET', KEYS[7], ARGV[4])
if not health then
  return {'unknown_node'}
end
if string.find(health, '"available"%s*:%s*false') then
  return {'unavailable'} -- it has said so since the router last looked
end
if redis.call('XLEN', KEYS[2]) >= tonumber(ARGV[5]) then
  return {'full'}
end

local ours = {attempt = 1, origin_id = 1, submitted_ms = 1, deadline_ms = 1, tried = 1, last_error = 1}
local fields = {}
local origin = ARGV[3]
local given = entry[1][2]
for i = 1, #given, 2 do
  if not ours[given[i]] then
    fields[#fields + 1] = given[i]
    fields[#fields + 1] = given[i + 1]
  elseif given[i] == 'origin_id' then
    origin = given[i + 1]
  end
end
for _, text in ipairs({'attempt', attempt, 'origin_id', origin, 'submitted_ms', ARGV[8], 'deadline_ms', ARGV[9]}) do
  fields[#fields + 1] = text
end
if ARGV[10] ~= '' then
  fields[#fields + 1] = 'tried'
  fields[#fields + 1] = ARGV[10]
end
if ARGV[16] ~= '' then
  fields[#fields + 1] = 'last_error'
  fields[#fields + 1] = ARGV[16]
end

-- The first write, and the only one that can fail; what follows cannot.
local id = redis.call('XADD', KEYS[2], '*', unpack(fields))
if job.err then
  redis.call('DEL', KEYS[3])
end
redis.call('HSET', KEYS[3], 'state', 'routed', 'node', ARGV[4], 'entry', id, 'attempt', attempt, 'ttl_ms', ARGV[12],
  'router', ARGV[2])
if job[3] then
  redis.call('HDEL', KEYS[3], 'cancel')
end
redis.call('PEXPIRE', KEYS[3], left_ms + ARGV[12])
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[3])
if ARGV[14] == '1' then
  local status = redis.pcall('XADD', KEYS[4], '*', 'type', 'status', 'request_id', ARGV[6], 'attempt', attempt,
    'state', 'routed', 'node', ARGV[4])
  if type(status) == 'string' then
    redis.call('PEXPIRE', KEYS[4], left_ms + ARGV[12])
  end
end
event('event', 'routed', 'request_id', ARGV[6], 'node', ARGV[4], 'attempt', attempt, 'model', ARGV[15],
  'router', ARGV[2], 'why', ARGV[13])
if job.err then
  return {'moved', id, 'foreign job'}
end
return {'moved', id}
