#!lua flags=no-writes
-- Read why claimed orders are left out by now, and who holds them.

local record_prefix = unpack(ARGV, 1, 1)
-- Then for each order: key
--
-- Returns for each order why it is left out, '' if it is not, and the drain that holds it with the number of its claim, '' if none does.

local response = {}
for i = 2, #ARGV do
  local values = redis.call('HMGET', record_prefix .. ARGV[i], 'left_out', 'drain')
  response[#response + 1] = values[1] or ''
  response[#response + 1] = values[2] or ''
end
return response
