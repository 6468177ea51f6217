-- Writes a chunk or status entry of a running attempt. Protocol 4.2: it passes the same gate as the
-- final entry, so a node from which the work was taken cannot write into the reply.
--
-- KEYS  1 requests:<node>  2 epoch  3 job  4 callback
-- ARGV  1 workers' group  2 node  3 epoch  4 entry id  5 milliseconds until the deadline
--       6 '1' if this process has sent this very entry before and knows no answer  7... fields
-- Result: {'ok'}, {'cancelled'} (nothing written: end it with finish.lua), {'fenced'}, {'lost'},
--       {'undeliverable'} (the callback is no stream, or is out of ids: write no more chunks)
if redis.call('GET', KEYS[2]) ~= ARGV[3] then
  return {'fenced'}
end
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[4], ARGV[4], 1, ARGV[2]) == 0 then
  return {'lost'}
end
local job = redis.pcall('HMGET', KEYS[3], 'state', 'entry', 'cancel', 'ttl_ms')
if job[1] == 'done' or (job[2] and job[2] ~= ARGV[4]) then
  return {'lost'}
end
if job[3] then
  return {'cancelled'}
end
-- What was sent before may have been written, and must not be there twice. Of a callback that is no
-- stream the XADD below tells.
if ARGV[6] == '1' then
  local mine = table.concat({unpack(ARGV, 7)}, '\n')
  for _, entry in ipairs(redis.pcall('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 64)) do
    if table.concat(entry[2], '\n') == mine then
      return {'ok'}
    end
  end
end
-- No stream, or one that has used up its last id, refuses for ever; a full memory for now.
local written = redis.pcall('XADD', KEYS[4], '*', unpack(ARGV, 7))
if type(written) == 'table' and written.err then
  local is_final = string.find(written.err, '^%-?WRONGTYPE ') or string.find(written.err, '^%-?ERR ')
  return is_final and {'undeliverable'} or written
end
redis.call('PEXPIRE', KEYS[4], math.max(tonumber(ARGV[5]), 0) + (job[4] or 3600000), 'NX')
return {'ok'}
