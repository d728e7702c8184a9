#!lua flags=allow-oom
-- Write a few fields of a hash: the reason of a pause or a failure must be stored even by a Redis that is full.

local hash, receipts = unpack(KEYS)
local counter, forgotten, receipt = unpack(ARGV, 1, 3)
-- Then for each field: field, value
--
-- counter is a field to increment, forgotten a field to delete; each may be ''.
--
-- If repeated: increments once more, which affects only the number of failures.

for i = 4, #ARGV, 2 do redis.call('HSET', hash, ARGV[i], ARGV[i + 1]) end
if counter ~= '' then redis.call('HINCRBY', hash, counter, 1) end
if forgotten ~= '' then redis.call('HDEL', hash, forgotten) end
-- include receipt.lua
return 1
