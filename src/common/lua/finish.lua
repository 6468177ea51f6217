#!lua flags=allow-oom
-- Ends an attempt with the request's one terminal entry. Protocol 4.2.
-- May run when Redis is out of memory: it ends a request.
--
-- KEYS  1 requests:<node>  2 epoch  3 job  4 callback  5 events  6 dead
-- ARGV  1 workers' group  2 node  3 epoch  4 entry id  5 request id  6 attempt  7 event name
--       8 model  9 code or ''  10 sentence or ''  11 run_ms  12... fields of the terminal entry; those
--       called 'event.NAME' are for the event alone
-- Result: {'finished'}, {'undeliverable'} (ended; the callback is no stream, or is out of ids,
--       so it is on dead), {'fenced'}, {'lost'} (nothing written: the work was taken away, or ended elsewhere)
if redis.call('GET', KEYS[2]) ~= ARGV[3] then
  return {'fenced'}
end
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[4], ARGV[4], 1, ARGV[2]) == 0 then
  return {'lost'}
end
local job = redis.pcall('HMGET', KEYS[3], 'state', 'entry', 'ttl_ms', 'router')
if job[1] == 'done' or (job[2] and job[2] ~= ARGV[4]) then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[4])
  redis.call('XDEL', KEYS[1], ARGV[4])
  return {'lost'}
end

local ttl_ms = job[3] or 3600000
local result = 'finished'
local fields = {}
local event = {'event', ARGV[7], 'request_id', ARGV[5], 'node', ARGV[2], 'attempt', ARGV[6], 'model', ARGV[8], 'code',
  ARGV[9], 'error', ARGV[10], 'run_ms', ARGV[11], 'routed_by', job[4] or ''}
for i = 12, #ARGV, 2 do
  local name = string.match(ARGV[i], '^event%.(.+)')
  local list = name and event or fields
  list[#list + 1] = name or ARGV[i]
  list[#list + 1] = ARGV[i + 1]
end
local written = redis.pcall('XADD', KEYS[4], '*', unpack(fields))
if type(written) == 'table' and written.err then
  result = 'undeliverable'
  redis.pcall('XADD', KEYS[6], 'MAXLEN', '~', 10000, '*', 'request_id', ARGV[5], 'code', 'undeliverable', 'error',
    written.err, 'node', ARGV[2], 'attempt', ARGV[6])
else
  redis.call('PEXPIRE', KEYS[4], ttl_ms)
end
if job.err then
  redis.call('DEL', KEYS[3])
end
redis.call('HSET', KEYS[3], 'state', 'done', 'node', ARGV[2], 'attempt', ARGV[6], 'code', ARGV[9])
redis.call('PEXPIRE', KEYS[3], ttl_ms)
redis.call('XACK', KEYS[1], ARGV[1], ARGV[4])
redis.call('XDEL', KEYS[1], ARGV[4])
redis.pcall('XADD', KEYS[5], 'MAXLEN', '~', 10000, '*', unpack(event))
return {result}
