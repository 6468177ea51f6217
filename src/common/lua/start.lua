-- Begins an attempt: the last look before work is done. Protocol 4.2, 4.6.
--
-- KEYS  1 requests:<node>  2 epoch  3 job  4 callback  5 events
-- ARGV  1 workers' group  2 node  3 epoch  4 entry id  5 request id  6 attempt  7 submitted_ms
--       8 deadline_ms  9 '' or the state for a status entry ('loading', 'running')  10 model
--       11 '1' if this process has sent it before for this entry and knows no answer
-- Result: {'started', Redis time in ms}, or
--       {'fenced'}  a newer process has this node id
--       {'lost'}    not pending here, or ended: do nothing
--       {'again', ms}  the attempt has been begun before (the group was made anew meanwhile): its
--                   chunks cannot be taken up, so give it back as a further attempt
--       {'cancelled', ms}  {'expired', ms}  {'undeliverable', ms}  end it with finish.lua
if redis.call('GET', KEYS[2]) ~= ARGV[3] then
  return {'fenced'}
end
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[4], ARGV[4], 1, ARGV[2]) == 0 then
  return {'lost'}
end
local job = redis.pcall('HMGET', KEYS[3], 'state', 'entry', 'cancel', 'ttl_ms')
if job[1] == 'done' or (job[2] and job[2] ~= ARGV[4]) then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[4])
  redis.call('XDEL', KEYS[1], ARGV[4])
  return {'lost'}
end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
if job[3] and tonumber(job[3]) >= tonumber(ARGV[7]) then
  return {'cancelled', now_ms}
end
local left_ms = tonumber(ARGV[8]) - now_ms
if left_ms <= 0 then
  return {'expired', now_ms}
end
if job[1] == 'running' and ARGV[11] ~= '1' then
  return {'again', now_ms}
end
local kind = redis.call('TYPE', KEYS[4]).ok
if kind ~= 'none' and kind ~= 'stream' then
  return {'undeliverable', now_ms}
end
if ARGV[9] ~= '' then
  -- The first write: a stream that has used up its last id refuses it for ever (ERR), a full memory for now.
  local written = redis.pcall('XADD', KEYS[4], '*', 'type', 'status', 'request_id', ARGV[5], 'attempt', ARGV[6],
    'state', ARGV[9], 'node', ARGV[2])
  if type(written) == 'table' and written.err then
    return string.find(written.err, '^%-?ERR ') and {'undeliverable', now_ms} or written
  end
  redis.call('PEXPIRE', KEYS[4], left_ms + (job[4] or 3600000))
end
if job.err then
  redis.call('DEL', KEYS[3])
end
redis.call('HSET', KEYS[3], 'state', 'running', 'node', ARGV[2], 'entry', ARGV[4], 'attempt', ARGV[6])
redis.pcall('XADD', KEYS[5], 'MAXLEN', '~', 10000, '*', 'event', 'started', 'request_id', ARGV[5], 'node', ARGV[2],
  'attempt', ARGV[6], 'model', ARGV[10])
return {'started', now_ms}
