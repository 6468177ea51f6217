-- Writes a chunk or status entry of a running attempt. Protocol 4.2: it passes the same gate as the
-- final entry, so a node from which the work was taken cannot write into the reply.
--
-- KEYS  1 requests:<node>  2 epoch  3 job  4 callback
-- ARGV  1 workers' group  2 node  3 epoch  4 entry id  5 milliseconds until the deadline  6... fields
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
local kind = redis.call('TYPE', KEYS[4]).ok
if kind ~= 'none' and kind ~= 'stream' then
  return {'undeliverable'}
end
-- A worker that never heard whether a piece was written sends it again; it must not be there twice.
local function value(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then
      return fields[i + 1]
    end
  end
end
local mine = {unpack(ARGV, 6)}
local seq, attempt = tonumber(value(mine, 'seq') or ''), value(mine, 'attempt')
local function is_ours_or_later(fields)
  return value(fields, 'attempt') == attempt and (tonumber(value(fields, 'seq') or '') or -1) >= seq
end
local newest = seq and redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)[1]
if newest and is_ours_or_later(newest[2]) then
  for _, entry in ipairs(redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 64)) do
    if table.concat(entry[2], '\n') == table.concat(mine, '\n') then
      return {'ok'}
    end
  end
end
-- A stream that has used up its last id refuses for ever (ERR), a full memory for now.
local written = redis.pcall('XADD', KEYS[4], '*', unpack(mine))
if type(written) == 'table' and written.err then
  return string.find(written.err, '^%-?ERR ') and {'undeliverable'} or written
end
if redis.call('PTTL', KEYS[4]) < 0 then
  redis.call('PEXPIRE', KEYS[4], math.max(tonumber(ARGV[5]), 0) + (job[4] or 3600000))
end
return {'ok'}
