#!lua flags=allow-oom
-- Puts an entry that cannot be answered (no usable request id or callback) on `dead`, delivered or
-- not. By the node's worker: only somebody who is no router can have written it. Protocol 3.
-- May run when Redis is out of memory: it ends a request.
--
-- KEYS  1 requests:<node>  2 epoch  3 dead  4 events
-- ARGV  1 workers' group  2 node  3 epoch  4 entry id  5 error, a sentence
-- Result: {'buried'}, {'fenced'}, {'lost'} (gone)
if redis.call('GET', KEYS[2]) ~= ARGV[3] then
  return {'fenced'}
end
local entry = redis.call('XRANGE', KEYS[1], ARGV[4], ARGV[4])
if #entry == 0 then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[4])
  return {'lost'}
end
local fields = {'code', 'invalid_request', 'error', ARGV[5], 'node', ARGV[2], 'entry', ARGV[4]}
-- What was sent, for operators, if it is small enough to keep 10,000 of them.
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
redis.pcall('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', unpack(fields))
redis.call('XACK', KEYS[1], ARGV[1], ARGV[4])
redis.call('XDEL', KEYS[1], ARGV[4])
redis.pcall('XADD', KEYS[4], 'MAXLEN', '~', 10000, '*', 'event', 'dead', 'node', ARGV[2], 'code', 'invalid_request',
  'error', ARGV[5])
return {'buried'}
