#!lua flags=allow-oom
-- Close a scope for every worker because the other side said "slow down"; afterwards keep more distance between the calls.

local scope = unpack(KEYS)
local named_us, interval_us, keep_ms = unpack(ARGV)
-- named_us is the time that the other side named (-1: none). interval_us is that of our own limit (0: none). keep_ms is as in reserve.lua.
--
-- Returns the microseconds for which the scope is closed. If no time was named, it doubles with every strike in a row, from one interval up to a minute.
-- If repeated: closes once more, a little longer.

-- Strikes are in a row if fewer calls than these left between them.
local APART = 20

-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000000 + time[2]
local named = tonumber(named_us)
local state = redis.call('HMGET', scope, 'strikes', 'pace', 'closed_until', 'calls', 'struck')
local strikes = tonumber(state[1] or 0)
-- Calls that were under way when the scope was closed are refused as well: all of them are one strike.
if tonumber(state[3] or 0) <= now then
  local calls = tonumber(state[4] or 0)
  strikes = calls - (state[5] or -APART) < APART and math.min(strikes + 1, 20) or 1
  redis.call('HSET', scope, 'strikes', strikes, 'struck', calls, 'pace', math.min((state[2] or 1) + 0.005 * 2 ^ strikes, 4))
end
local interval = math.max(tonumber(interval_us), 100000)
local delay = named >= 0 and named or math.min(interval * 2 ^ (strikes - 1), 60000000)
local closed = math.max(tonumber(state[3] or 0), now + delay)
redis.call('HSET', scope, 'closed_until', string.format('%.0f', closed))
redis.call('PEXPIRE', scope, keep_ms)
return math.ceil(closed - now)
