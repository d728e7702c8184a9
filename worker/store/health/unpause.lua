#!lua flags=allow-oom
-- End a pause whose time is over.

local hash = unpack(KEYS)
-- hash is a lane or a cursor.
--
-- Returns 1 if this ended the pause.
-- If repeated: there is no pause any more, 0.

-- include ledger_time.lua
local time = ledger_time()
local paused_until = redis.call('HGET', hash, 'paused_until')
if not paused_until or time[1] * 1000 + math.floor(time[2] / 1000) < tonumber(paused_until) then return 0 end
redis.call('HDEL', hash, 'paused', 'paused_until')
return 1
