#!lua flags=allow-oom
-- End a pause whose time is over.
--
-- KEYS  1 hash of a lane or a cursor
-- Returns 1 if it is over. Repeated: there is none any more, 0.

local time = redis.call('TIME')
local known = redis.call('HGET', KEYS[1], 'paused_until')
if not known or time[1] * 1000 + math.floor(time[2] / 1000) < tonumber(known) then return 0 end
redis.call('HDEL', KEYS[1], 'paused', 'paused_until')
return 1
