#!lua flags=no-writes
-- Find the orders of a provider that no route creates by the number that people know them by.

local rules = unpack(KEYS)
local bucket_prefix, display_id = unpack(ARGV)
-- rules and the buckets are those of leave_out.lua.
--
-- Returns {the fields of rules, {field, value...} of the orders}.

local known, found = redis.call('HGETALL', rules), {}
if #known == 0 then return {known, found} end
local ending = '\t' .. display_id
for number = 0, 255 do
  local orders = redis.call('HGETALL', bucket_prefix .. string.format('%02x', number))
  for i = 1, #orders, 2 do
    if string.sub(orders[i + 1], -#ending) == ending then
      found[#found + 1] = orders[i]
      found[#found + 1] = orders[i + 1]
    end
  end
end
return {known, found}
