#!lua flags=allow-oom
-- Takes an entry back from a node that is lost, or one that a node which may get no work has not
-- started. By any router. Protocol 4.3. May run when Redis is out of memory: it stores what it
-- deletes.
--
-- KEYS  1 requests:<node>  2 requests  3 job  4 health  5 events  6 callback
-- ARGV  1 workers' group  2 node  3 entry id  4 request id  5 attempt in the entry  6 tried in the
--       entry, with this node added  7 'lost' or 'unstarted'  8 node_lost_ms  9 model  10 router id
--       11 '1' to write a `retrying` status entry  12 tried in the entry
-- Result: {'requeued', new id}, {'alive'} (the node has been heard of), {'started'} (mode unstarted:
--       its worker has it), {'lost'} (gone, or ended)
local entry = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])
if #entry == 0 then
  return {'lost'}
end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[7] == 'lost' then
  local health = redis.call('HGET', KEYS[4], ARGV[2])
  local seen_ms = health and tonumber(string.match(health, '"last_seen_ms":(%d+)'))
  if not seen_ms and health then
    local seen_s = tonumber(string.match(health, '"last_seen":%s*(%d+)'))
    seen_ms = seen_s and seen_s * 1000 + 999
  end
  if seen_ms and math.abs(now_ms - seen_ms) <= tonumber(ARGV[8]) then
    return {'alive'}
  end
end
local job = redis.pcall('HMGET', KEYS[3], 'state', 'entry')
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)
-- What a group that was destroyed meanwhile does not know any more, the job still says.
local delivered = (not pending.err and #pending > 0) or (job[1] == 'running' and job[2] == ARGV[3])
if ARGV[7] == 'unstarted' and delivered then
  return {'started'}
end
if job[1] == 'done' or (job[2] and job[2] ~= ARGV[3]) then
  redis.pcall('XACK', KEYS[1], ARGV[1], ARGV[3])
  redis.call('XDEL', KEYS[1], ARGV[3])
  return {'lost'}
end

local attempt, tried, why = ARGV[5], ARGV[12], 'node ' .. ARGV[2] .. ' cannot take it now'
if delivered then
  attempt, tried, why = tonumber(ARGV[5]) + 1, ARGV[6], 'node ' .. ARGV[2] .. ' was lost while it had the request'
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
for _, text in ipairs({'attempt', attempt, 'tried', tried, 'last_error', why}) do
  fields[#fields + 1] = text
end

local id = redis.call('XADD', KEYS[2], '*', unpack(fields))
if job.err then
  redis.call('DEL', KEYS[3])
end
redis.call('HSET', KEYS[3], 'state', 'queued', 'entry', id, 'attempt', attempt)
redis.call('HDEL', KEYS[3], 'node')
if redis.call('PTTL', KEYS[3]) < 0 then
  redis.call('PEXPIRE', KEYS[3], 86400000) -- Redis had forgotten the job; a request lives a day at most
end
redis.pcall('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[3])
if ARGV[11] == '1' and delivered then
  local status = redis.pcall('XADD', KEYS[6], '*', 'type', 'status', 'request_id', ARGV[4], 'attempt', attempt,
    'state', 'retrying', 'node', ARGV[2])
  if type(status) == 'string' and redis.call('PTTL', KEYS[6]) < 0 then
    local left_ms = redis.call('PTTL', KEYS[3])
    redis.call('PEXPIRE', KEYS[6], left_ms > 0 and left_ms or 3600000)
  end
end
redis.pcall('XADD', KEYS[5], 'MAXLEN', '~', 10000, '*', 'event', 'requeued', 'request_id', ARGV[4], 'node', ARGV[2],
  'attempt', attempt, 'model', ARGV[9], 'router', ARGV[10], 'why', why)
return {'requeued', id}
