#!lua flags=no-writes
-- Reads an entry without its bulk: what is needed to give it back, which works within Redis. For a
-- worker that has no memory for the whole, and for what a predecessor of its own had.
--
-- KEYS  1 requests:<node>
-- ARGV  1 entry id  2 bytes: a longer value is returned empty
-- Result: as XRANGE with that one entry, or an empty list
local entries = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
local longest = tonumber(ARGV[2])
for _, entry in ipairs(entries) do
  for i = 2, #entry[2], 2 do
    if #entry[2][i] > longest then
      entry[2][i] = ''
    end
  end
end
return entries
