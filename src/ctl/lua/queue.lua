#!lua flags=no-writes
-- What waits on the origin stream, counted by priority and model without sending the payloads over
-- the network. Reads only. Bounded: at most so many entries, and so many bytes.
--
-- KEYS  1 requests
-- ARGV  1 most entries to look at  2 most bytes to look at
-- Result: {Redis time in ms, length of the stream, entries looked at, when the oldest was submitted
--         in ms (0: none), then for each group: priority, model, number, oldest in ms}
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local groups, order = {}, {}
local looked, bytes, oldest, from = 0, 0, 0, '-'
while looked < tonumber(ARGV[1]) and bytes < tonumber(ARGV[2]) do
  local entry = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 1)[1]
  if not entry then
    break
  end
  from, looked = '(' .. entry[1], looked + 1
  local priority, model, since = 'normal', '', tonumber(string.match(entry[1], '^%d+'))
  local fields = entry[2]
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    bytes = bytes + #name + #value
    if name == 'priority' and (value == 'high' or value == 'low') then
      priority = value
    elseif name == 'model' then
      model = string.sub(value, 1, 255)
    elseif name == 'submitted_ms' then
      since = tonumber(value) or since
    end
  end
  if oldest == 0 or since < oldest then
    oldest = since
  end
  local key = priority .. ' ' .. model
  if not groups[key] then
    groups[key] = {priority, model, 0, since}
    order[#order + 1] = key
  end
  local group = groups[key]
  group[3] = group[3] + 1
  group[4] = math.min(group[4], since)
end
local result = {now_ms, redis.call('XLEN', KEYS[1]), looked, oldest}
for _, key in ipairs(order) do
  for _, value in ipairs(groups[key]) do
    result[#result + 1] = value
  end
end
return result
