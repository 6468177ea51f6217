-- The whole state of the little world of tests/model, as the bytes of struct view (view.h), and every
-- key by DUMP. Events and dead letters are dropped: no script reads them.
--
-- Ids: each stream's last id is kept at MS-n, MS its own and far in the future, so that XADD * makes MS-(n+1):
-- ids are counters, and the same history always makes the same ids. A stream that was deleted and
-- made again goes on where it ended (kept in the hash M), as the clock would have it.
local P, BASE = 'orion:inference:', '900000000000' -- and one digit
local NODES, ROUTERS = {'a', 'b'}, {'x', 'y'}
local SLOTS = 4
local TTLS = {'0', '1000000000000', '3000000'}
redis.call('DEL', P .. 'events', P .. 'dead')

local bytes = {}
local function put(n)
  bytes[#bytes + 1] = string.char(n)
end
local function sequence(id)
  local ms, n = string.match(id or '', '^(%d+)-(%d+)$')
  return ms and #ms == #BASE + 1 and string.sub(ms, 1, #BASE) == BASE and tonumber(n) or 0
end
local function mask(text)
  local a = string.find(text, 'a', 1, true) and 1 or 0
  return a + (string.find(text, 'b', 1, true) and 2 or 0)
end
local function by_name(list)
  local at = {}
  for i = 1, #list, 2 do
    at[list[i]] = list[i + 1]
  end
  return at
end
local function index(names, name)
  return name == names[1] and 1 or name == names[2] and 2 or 3
end

local function stream(key, group, consumers, digit)
  if redis.call('EXISTS', key) == 0 then
    for _ = 1, 5 + SLOTS * 7 do
      put(0)
    end
    return
  end
  local floor = tonumber(redis.call('HGET', 'M', key) or '0')
  local info = by_name(redis.call('XINFO', 'STREAM', key))
  local last = sequence(info['last-generated-id'])
  if last < floor or string.sub(info['last-generated-id'], 1, #BASE) ~= BASE then
    redis.call('XSETID', key, BASE .. digit .. '-' .. floor)
    last = floor
  end
  redis.call('HSET', 'M', key, last)
  local delivered, holders, orphans = 0, {}, 0
  local groups = redis.call('XINFO', 'GROUPS', key)
  if groups[1] then
    delivered = sequence(by_name(groups[1])['last-delivered-id'])
    for _, row in ipairs(redis.call('XPENDING', key, group, '-', '+', 100)) do
      holders[row[1]] = index(consumers, row[2])
      if #redis.call('XRANGE', key, row[1], row[1]) == 0 then
        orphans = orphans + 1
      end
    end
  end
  local entries = redis.call('XRANGE', key, '-', '+')
  put(groups[1] and 1 or 2) put(last) put(delivered) put(#entries) put(orphans)
  for i = 1, SLOTS do
    local id, fields = entries[i] and entries[i][1], entries[i] and by_name(entries[i][2])
    put(id and sequence(id) or 0)
    put(id and tonumber(fields['attempt'] or '1') or 0)
    put(id and mask(fields['tried'] or '') or 0)
    put(id and tonumber(fields['metadata']) or 0)
    put(id and fields['attempt'] and 1 or 0)
    put(id and holders[id] or 0)
    put(id and sequence(id) <= delivered and 1 or 0)
  end
end

local function freshness(json)
  if not json then
    return 0
  end
  return tonumber(string.match(json, '"last_seen_ms":(%d+)')) > 1000000 and 2 or 1
end
-- 3: a job that is not done although its deadline has passed
local function ttl(key)
  local left = redis.call('PTTL', key)
  if left > 0 and left < 3500000 and string.find(key, ':job:') and redis.call('HGET', key, 'state') ~= 'done' then
    return 3
  end
  return left == -2 and 0 or left == -1 and 1 or 2
end

stream(P .. 'requests', 'inference-routers', ROUTERS, 0)
for i, node in ipairs(NODES) do
  stream(P .. 'requests:' .. node, 'inference-workers', {node}, i)
end
-- An epoch that is taken from the clock is above whatever was before; here it is the next number.
local function epoch_of(node)
  local epoch, highest = tonumber(redis.call('GET', P .. 'epoch:' .. node)), 'epoch:' .. node
  if epoch and epoch > 1000 then
    epoch = tonumber(redis.call('HGET', 'M', highest) or '0') + 1
    redis.call('SET', P .. 'epoch:' .. node, epoch)
  end
  if epoch then
    redis.call('HSET', 'M', highest, epoch)
  end
  return epoch or 0, tonumber(redis.call('HGET', 'M', highest) or '0')
end
for _, node in ipairs(NODES) do
  local health = redis.call('HGET', P .. 'health', node)
  local epoch, highest = epoch_of(node)
  put(epoch) put(highest)
  put(freshness(health))
  put(health and string.find(health, '"available":false', 1, true) and 1 or 0)
  put(redis.call('SISMEMBER', P .. 'drained', node))
end
local present = {}
local consumers = redis.pcall('XINFO', 'CONSUMERS', P .. 'requests', 'inference-routers')
for _, consumer in ipairs(consumers.err and {} or consumers) do
  present[by_name(consumer)['name']] = 1
end
for _, router in ipairs(ROUTERS) do
  put(freshness(redis.call('HGET', P .. 'routers', router)))
  put(present[router] or 0)
end

local job = by_name(redis.call('HGETALL', P .. 'job:r1'))
local states = {queued = 1, routed = 2, running = 3, done = 4}
local live = job['state'] ~= 'done'
put(job['state'] and states[job['state']] or 0)
put(live and sequence(job['entry']) or 0)
put(live and job['node'] and index(NODES, job['node']) or 0)
put(live and job['cancel'] and 1 or 0)
put(ttl(P .. 'job:r1'))
local terminals, after = 0, 0
for _, entry in ipairs(redis.call('XRANGE', P .. 'responses:r1', '-', '+')) do
  local kind = by_name(entry[2])['type']
  if terminals > 0 then
    after = 1
  end
  if kind == 'done' or kind == 'error' then
    terminals = terminals + 1
  end
end
put(terminals) put(after) put(ttl(P .. 'responses:r1'))
put(sequence(by_name(redis.call('XINFO', 'GROUPS', P .. 'control')[1])['last-delivered-id']))

local out = {table.concat(bytes)}
local keys = redis.call('KEYS', '*')
table.sort(keys)
for _, key in ipairs(keys) do
  out[#out + 1] = key
  out[#out + 1] = TTLS[ttl(key)]
  out[#out + 1] = redis.call('DUMP', key)
end
return out
