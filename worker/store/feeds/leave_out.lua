#!lua flags=allow-oom
-- Note orders that no route creates: count them by target and rule, and remember the newest, so that they can be found.

local counts, rules, receipts = unpack(KEYS)
local bucket_prefix, most, receipt = unpack(ARGV, 1, 3)
-- Then for each order: external_id, target, rule, shown
--
-- counts holds orders by "TARGET RULE", rules the number of each "TARGET RULE". An order is a field "TARGET EXTERNAL_ID" of one of 256 buckets, by the first
-- two digits of the SHA-1 of its external id: "<number of its rule> <seconds> <shown>". A bucket holds the newest `most` of its orders, and is so small that
-- Redis keeps it in one piece of memory. shown is what people know the order by.
--
-- Returns for each order 1 if it was not noted by this rule before, else 0.
-- If repeated: every order is noted already.

-- include ledger_time.lua
local seconds = ledger_time()[1]

-- Remove the order that was noted first from a bucket that is full.
local function make_room(bucket)
  local first, at = nil, nil
  local entries = redis.call('HGETALL', bucket)
  for i = 1, #entries, 2 do
    local noted = tonumber(string.match(entries[i + 1], '^%d+ (%d+)'))
    if not at or noted < at then first, at = entries[i], noted end
  end
  redis.call('HDEL', bucket, first)
end

local results = {}
for i = 4, #ARGV, 4 do
  local external_id, target, rule, shown = unpack(ARGV, i, i + 3)
  local name = target .. ' ' .. rule
  local number = redis.call('HGET', rules, name)
  if not number then
    number = tostring(redis.call('HLEN', rules) + 1)
    redis.call('HSET', rules, name, number)
  end
  local bucket, field = bucket_prefix .. string.sub(redis.sha1hex(external_id), 1, 2), target .. ' ' .. external_id
  local known = redis.call('HGET', bucket, field)
  local new = not known or string.match(known, '^%d+') ~= number
  if new then
    if not known and redis.call('HLEN', bucket) >= tonumber(most) then make_room(bucket) end
    redis.call('HSET', bucket, field, number .. ' ' .. seconds .. ' ' .. shown)
    redis.call('HINCRBY', counts, name, 1)
  end
  results[#results + 1] = new and 1 or 0
end
-- include receipt.lua
return results
