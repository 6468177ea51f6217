#!lua flags=allow-oom
-- Ends a request that is still on the origin stream: one terminal `error` entry. Protocol 3 and 4.1.
-- May run when Redis is out of memory: it ends a request.
--
-- KEYS  1 requests  2 callback  3 job  4 events  5 dead
-- ARGV  1 routers' group  2 router id  3 entry id  4 request id  5 attempt  6 '1' if the entry came
--       back from a node  7 response_ttl_ms  8 code  9 error, a sentence  10 retryable '0' or '1'
--       11 event name  12 node or ''  13 '1' to put it on dead as well
--       14 '1' if it can be answered; '0' if request id or callback are unusable: then only dead,
--          and KEYS 2 and 3 are not touched
--       15 max_queue: end it only while the stream is longer than this; it may be pending here or at
--          nobody; '' for a request that is pending at this router
--       16 deadline_ms that has passed, by what the router takes for Redis' time; '' if it ends otherwise
-- Result: {'ended'}, {'undeliverable'} (ended; the callback is no stream, so it is on dead),
--       {'lost'}, {'duplicate'} (entry gone), {'forged'}, {'early'} (nothing done: the deadline has not
--       passed; Redis' clock was put back)
if ARGV[16] ~= '' then
  local time = redis.call('TIME')
  if time[1] * 1000 + math.floor(time[2] / 1000) < tonumber(ARGV[16]) then
    return {'early'}
  end
end
local entry = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])
if ARGV[15] == '' then
  if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2]) == 0 then
    return {'lost'}
  end
  if #entry == 0 then
    redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
    return {'lost'}
  end
else
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)
  if #entry == 0 or redis.call('XLEN', KEYS[1]) <= tonumber(ARGV[15])
      or (#pending > 0 and pending[1][2] ~= ARGV[2]) then
    return {'lost'}
  end
end

local function event(...)
  redis.pcall('XADD', KEYS[4], 'MAXLEN', '~', 10000, '*', ...)
end

local function leave()
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
  redis.call('XDEL', KEYS[1], ARGV[3])
end

-- What the client sent, for operators, if it is small enough to keep 10,000 of them.
local function dead()
  local fields = {'request_id', ARGV[4], 'code', ARGV[8], 'error', ARGV[9], 'node', ARGV[12], 'attempt', ARGV[5],
    'origin_id', ARGV[3]}
  local given, bytes = entry[1][2], 0
  for i = 1, #given do
    bytes = bytes + #given[i]
  end
  if #given <= 128 and bytes <= 16384 then
    for i = 1, #given, 2 do
      fields[#fields + 1] = 'request.' .. given[i]
      fields[#fields + 1] = given[i + 1]
    end
  else
    fields[#fields + 1] = 'request_bytes'
    fields[#fields + 1] = bytes
  end
  redis.pcall('XADD', KEYS[5], 'MAXLEN', '~', 10000, '*', unpack(fields))
end

if ARGV[14] ~= '1' then
  dead()
  leave()
  event('event', 'dead', 'request_id', ARGV[4], 'code', ARGV[8], 'error', ARGV[9], 'router', ARGV[2])
  return {'ended'}
end

-- A key of another type in the job's place is no job: see move.lua.
local job = redis.pcall('HMGET', KEYS[3], 'state', 'entry', 'ttl_ms')
-- So is one that should have ended long ago.
if job[1] and job[1] ~= 'done' and ARGV[6] ~= '1' and redis.call('PTTL', KEYS[3]) < (tonumber(job[3]) or 0) then
  job = {}
end
if not job[1] and ARGV[6] == '1' then
  return {'forged'}
end
if job[1] and not (ARGV[6] == '1' and job[1] == 'queued' and job[2] == ARGV[3]) then
  leave()
  event('event', 'duplicate', 'request_id', ARGV[4], 'router', ARGV[2])
  return {'duplicate'}
end

local reply = {'type', 'error', 'request_id', ARGV[4], 'attempt', ARGV[5], 'code', ARGV[8], 'error', ARGV[9],
  'retryable', ARGV[10]}
if ARGV[12] ~= '' then
  reply[#reply + 1] = 'node'
  reply[#reply + 1] = ARGV[12]
end
local given = entry[1][2]
for i = 1, #given, 2 do
  if given[i] == 'metadata' and #given[i + 1] <= 4096 then
    reply[#reply + 1] = 'metadata'
    reply[#reply + 1] = given[i + 1]
    break
  end
end

local result = 'ended'
local written = redis.pcall('XADD', KEYS[2], '*', unpack(reply))
if type(written) == 'table' and written.err then
  result = 'undeliverable'
else
  redis.call('PEXPIRE', KEYS[2], ARGV[7])
end
if job.err then
  redis.call('DEL', KEYS[3])
end
redis.call('HSET', KEYS[3], 'state', 'done', 'code', ARGV[8], 'attempt', ARGV[5])
redis.call('PEXPIRE', KEYS[3], ARGV[7])
if ARGV[13] == '1' or result == 'undeliverable' then
  dead()
end
leave()
event('event', ARGV[11], 'request_id', ARGV[4], 'code', ARGV[8], 'error', ARGV[9], 'node', ARGV[12], 'attempt',
  ARGV[5], 'router', ARGV[2])
return {result}
