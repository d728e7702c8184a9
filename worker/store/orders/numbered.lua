#!lua flags=no-writes
-- Find the orders of a provider whose number begins with a text (see number.lua).

local index = unpack(KEYS)
local page_prefix, text, most = unpack(ARGV)
-- text ends with "\0" if it is the whole number.
--
-- Returns at most `most` entries, "number\0external_id", in their order.

most = tonumber(most)
local found = {}

local function collect(member)
  local matching = {}
  for _, entry in ipairs(redis.call('HKEYS', page_prefix .. string.match(member, '\1(%d+)$'))) do
    if string.sub(entry, 1, #text) == text then matching[#matching + 1] = entry end
  end
  table.sort(matching)
  for _, entry in ipairs(matching) do
    if #found < most then found[#found + 1] = entry end
  end
end

-- The page where the text itself would be, and then those that begin with it.
local member = redis.call('ZREVRANGEBYLEX', index, '[' .. text, '-', 'LIMIT', 0, 1)[1]
if member then collect(member) end
local after = member and '(' .. member or '-'
while #found < most do
  member = redis.call('ZRANGEBYLEX', index, after, '[' .. text .. '\255', 'LIMIT', 0, 1)[1]
  if not member then break end
  collect(member)
  after = '(' .. member
end
return found
