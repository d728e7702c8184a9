#!lua flags=allow-oom
-- Note the numbers that people know orders by, so that numbered.lua finds the orders, also by the first characters of a number.

local index, receipts = unpack(KEYS)
local page_prefix, most, receipt = unpack(ARGV, 1, 3)
-- Then for each order: number, external_id
--
-- An entry is "number\0external_id". The entries of a provider are kept in their order on pages: a page is a hash with at most `most` entries as its fields,
-- so small that Redis keeps it in one piece of memory. index is a sorted set of the pages, "<the first entry that belongs on it>\1<its number>", all with
-- score 0. A page that is full gives its second half to a new page; where entries come in their order, it gives away only the last one, so that pages are full.
-- Nothing is ever deleted: an order is found by each number that it had.
--
-- Returns how many entries are new.
-- If repeated: every entry is there, 0.

local function page_of(entry)
  local member = redis.call('ZREVRANGEBYLEX', index, '[' .. entry .. '\2', '-', 'LIMIT', 0, 1)[1]
  if not member then
    member = '\0011'
    redis.call('ZADD', index, 0, member)
  end
  return page_prefix .. string.match(member, '\1(%d+)$')
end

-- Give the second half of a full page to a new one, or only `entry` if it is the last of all.
local function split(page, entry)
  local entries = redis.call('HKEYS', page)
  table.sort(entries)
  local first = entries[#entries] == entry and #entries or math.floor(#entries / 2) + 1
  local number = redis.call('ZCARD', index) + 1
  for i = first, #entries do
    redis.call('HSET', page_prefix .. number, entries[i], '')
    redis.call('HDEL', page, entries[i])
  end
  redis.call('ZADD', index, 0, entries[first] .. '\1' .. number)
end

local new = 0
for i = 4, #ARGV, 2 do
  local entry = ARGV[i] .. '\0' .. ARGV[i + 1]
  local page = page_of(entry)
  if redis.call('HSET', page, entry, '') == 1 then
    new = new + 1
    if redis.call('HLEN', page) > tonumber(most) then split(page, entry) end
  end
end
-- include receipt.lua
return new
