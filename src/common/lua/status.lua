-- Writes a `queued` status entry for a request that waits at this router.
--
-- KEYS  1 requests  2 callback  3 job
-- ARGV  1 routers' group  2 router id  3 entry id  4 time to live of the callback, ms  5... fields
-- Result: {'ok'}, {'lost'} (not pending here, or ended), {'undeliverable'} (the callback is no stream, or is out of ids)
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2]) == 0 then
  return {'lost'}
end
local job = redis.pcall('HMGET', KEYS[3], 'state', 'entry')
if job[1] and not (job[1] == 'queued' and job[2] == ARGV[3]) then
  return {'lost'}
end
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'none' and kind ~= 'stream' then
  return {'undeliverable'}
end
-- A stream that has used up its last id refuses for ever (ERR), a full memory for now.
local written = redis.pcall('XADD', KEYS[2], '*', unpack(ARGV, 5))
if type(written) == 'table' and written.err then
  return string.find(written.err, '^%-?ERR ') and {'undeliverable'} or written
end
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return {'ok'}
