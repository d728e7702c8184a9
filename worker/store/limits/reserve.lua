#!lua flags=allow-oom
-- Reserve the next free slot of a limit, evenly spaced, first come first served over all processes.

local scope = unpack(KEYS)
local patience_us, keep_ms = unpack(ARGV, 1, 2)
-- Then for each window: period_s, interval_us, ahead
--
-- patience_us is the longest wait. keep_ms is how long the state is kept without a call. ahead is the number of calls by which a window may run ahead of its
-- spacing; the first window never does.
--
-- Returns {1, microseconds to wait, the slot for depart.lua} or, with nothing reserved, {0, microseconds until the next attempt is worthwhile, 0}.
-- A slot only spreads the callers: depart.lua counts the calls, so that a slot that is not used costs a longer window nothing.
-- If repeated: one slot stays unused.

local windows = {}
for i = 3, #ARGV, 3 do windows[#windows + 1] = {unpack(ARGV, i, i + 2)} end

-- include windows.lua

-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000000 + time[2]
local slot = admit(now, now)
if slot - now > tonumber(patience_us) then return {0, math.ceil(slot - now), 0} end
local state = redis.call('HMGET', scope, 'pace', 'lag')
local interval, planned = windows[1][2] * (state[1] or 1), slot - (state[2] or 0)
redis.call('HSET', scope, 'next', string.format('%.0f', planned + interval))
redis.call('PEXPIRE', scope, keep_ms)
return {1, math.ceil(slot - now), string.format('%.0f', planned)}
