#!lua flags=no-writes
-- Find the orders that a target knows by an id of its own (see ids.lua).

local record_prefix, id = unpack(ARGV)
--
-- Returns the keys of the orders; almost every id has one at most.

-- include archive.lua

local found = {}
local live = redis.call('HGET', live_ids(record_prefix), id)
if live and redis.call('HGET', record_prefix .. live, 'target_id') == id then found[1] = live end

-- Add the orders with this id of one hash of the archive.
local function collect(hash)
  for _, field in ipairs(redis.call('HKEYS', hash)) do
    if not string.find(field, '\1', 1, true) then
      local key = string.byte(field) == 2 and select(8, cmsgpack.unpack(read_pieces(hash, field))) or field
      if (read_archived(record_prefix, key) or {}).target_id == id then found[#found + 1] = key end
    end
  end
end

local index, begin = place_of_id(record_prefix, id)
local entries, seen = redis.call('GET', index) or '', {}
local at = string.find(entries, begin, 1, true)
while at do
  if at % 4 == 1 then
    local place = string.format('%02x%02x', string.byte(entries, at + 2, at + 3))
    if not seen[place] then collect('intake:archive:' .. string.sub(record_prefix, 14) .. place) end
    seen[place] = true
  end
  at = string.find(entries, begin, at + 1, true)
end
return found
