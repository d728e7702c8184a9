#!lua flags=no-writes
-- Read the references of the orders of one target, live or archived.

local record_prefix = unpack(ARGV, 1, 1)
-- Then for each order: key
--
-- Returns for each order its reference, '' if the order is unknown or has none.

-- include archive.lua

local response = {}
for i = 2, #ARGV do
  local key = ARGV[i]
  local reference = redis.call('HGET', record_prefix .. key, 'reference')
  response[#response + 1] = reference or (read_archived(record_prefix, key) or {}).reference or ''
end
return response
