#!lua flags=no-writes
-- Looks for a request on the origin stream. Reads only. Bounded as queue.lua.
--
-- KEYS  1 requests
-- ARGV  1 routers' group  2 request id  3 most entries to look at  4 most bytes to look at
-- Result: {} if it is not there, {'cut'} if it may lie behind what was looked at, or
--       {entry id, entries before it, router that has read it or '', then name and value of each
--        field but the payload, values cut at 512 bytes}
local looked, bytes, from = 0, 0, '-'
local payload = {messages = true, prompt = true, input = true, params = true, metadata = true}
while looked < tonumber(ARGV[3]) and bytes < tonumber(ARGV[4]) do
  local entry = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 1)[1]
  if not entry then
    break
  end
  local fields, is_it = entry[2], false
  for i = 1, #fields, 2 do
    bytes = bytes + #fields[i] + #fields[i + 1]
    is_it = is_it or (fields[i] == 'request_id' and fields[i + 1] == ARGV[2])
  end
  if is_it then
    local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1)
    local result = {entry[1], looked, not pending.err and pending[1] and pending[1][2] or ''}
    for i = 1, math.min(#fields, 128), 2 do
      if not payload[fields[i]] then
        result[#result + 1] = string.sub(fields[i], 1, 64)
        result[#result + 1] = string.sub(fields[i + 1], 1, 512)
      end
    end
    return result
  end
  from, looked = '(' .. entry[1], looked + 1
end
return looked < redis.call('XLEN', KEYS[1]) and {'cut'} or {}
