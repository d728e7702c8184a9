-- Keep the dead letter of a record that could not be read.

local letters, lease = unpack(KEYS)
local external_id, letter, owner = unpack(ARGV)
-- owner holds the lease of the poll; '' if no poll is running.
--
-- Returns 1, or 0 if another poll took over: it may have read the record by now.
-- If repeated: replaces the letter by the same one.

if owner ~= '' and redis.call('GET', lease) ~= owner then return 0 end
redis.call('HSET', letters, external_id, letter)
return 1
