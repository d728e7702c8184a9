#!lua flags=allow-oom
-- Correct the time of a departure: the call was sent later, so the next one has to leave later as well, but for what may be made up for (see depart.lua).

local scope = unpack(KEYS)
local departed_us, late_us, debt_us = unpack(ARGV)
-- departed_us is the time that depart.lua returned, late_us how much later the request was sent.
--
-- Returns 1, or 0 if another call has left meanwhile.
-- If repeated: changes nothing.

-- include ledger_time.lua
local time = ledger_time()
local state = redis.call('HMGET', scope, 'departed', 'pace')
local sent, last = math.min(departed_us + late_us, time[1] * 1000000 + time[2]) - (state[2] and 0 or debt_us), tonumber(state[1] or 0)
if sent <= last then return 0 end
redis.call('HSET', scope, 'departed', string.format('%.0f', sent))
return last == tonumber(departed_us) and 1 or 0
