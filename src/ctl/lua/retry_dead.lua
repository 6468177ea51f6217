#!lua
-- Sends a dead letter again, as a new request, and removes it: one step, so that it is never sent
-- twice nor lost.
--
-- KEYS  1 dead  2 requests  3 job of the new request id
-- ARGV  1 id of the dead letter  2 new request id
-- Result: {'sent', entry id}, {'gone'}, {'not kept'} (it was too large to be kept whole),
--       {'exists'} (that request id is in use)
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not entry then
  return {'gone'}
end
if redis.call('EXISTS', KEYS[3]) == 1 then
  return {'exists'}
end
local ours = {attempt = 1, origin_id = 1, submitted_ms = 1, deadline_ms = 1, tried = 1, last_error = 1,
  request_id = 1, callback = 1}
local fields = {'request_id', ARGV[2]}
for i = 1, #entry[2], 2 do
  local name = string.match(entry[2][i], '^request%.(.+)$')
  if name and not ours[name] then
    fields[#fields + 1] = name
    fields[#fields + 1] = entry[2][i + 1]
  end
end
if #fields == 2 then
  return {'not kept'}
end
local id = redis.call('XADD', KEYS[2], '*', unpack(fields))
redis.call('XDEL', KEYS[1], ARGV[1])
return {'sent', id}
