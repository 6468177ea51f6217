#!lua flags=allow-oom
-- A worker leaves in order: its stream must be empty. Protocol 4.7.
--
-- KEYS  1 health  2 epoch  3 requests:<node>  4 events
-- ARGV  1 node  2 epoch  3 why
-- Result: {'ok'}, {'busy', entries left on the stream}, {'fenced'}
if redis.call('GET', KEYS[2]) ~= ARGV[2] then
  return {'fenced'}
end
local left = redis.call('XLEN', KEYS[3])
if left > 0 then
  return {'busy', left}
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[3])
redis.pcall('XADD', KEYS[4], 'MAXLEN', '~', 10000, '*', 'event', 'node_down', 'node', ARGV[1], 'why', ARGV[3])
return {'ok'}
