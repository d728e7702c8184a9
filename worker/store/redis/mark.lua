#!lua flags=allow-oom
-- Set a mark that expires, unless it is there.

local mark = unpack(KEYS)
local value, lifetime_ms = unpack(ARGV)
-- A mark is small, and there is one for each account at most: a Redis that is full takes it, so that deliveries go on and make room.
--
-- Returns 1 if it was set, 0 if it was there.
-- If repeated: it is there, 0.

return redis.call('SET', mark, value, 'NX', 'PX', lifetime_ms) and 1 or 0
