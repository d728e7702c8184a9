#!lua flags=allow-oom
-- Close a scope for every worker because the other side said "slow down"; afterwards continue slower for a while.

local scope = unpack(KEYS)
local named_us, interval_us = unpack(ARGV)
-- named_us is the time that the other side named (-1: none). interval_us is that of our own limit (0: none).
--
-- Returns the microseconds for which the scope is closed. If no time was named, it doubles with every strike, from two intervals up to a minute.
-- If repeated: closes once more, a little longer.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local named = tonumber(named_us)
local state = redis.call('HMGET', scope, 'strikes', 'pace', 'closed_until')
local strikes = tonumber(state[1] or 0)
-- Calls that were under way when the scope was closed are refused as well: all of them are one strike.
if tonumber(state[3] or 0) <= now then
  strikes = math.min(strikes + 1, 20)
  redis.call('HSET', scope, 'strikes', strikes, 'pace', math.min(tonumber(state[2] or 1) * 1.1, 4))
end
local interval = math.max(tonumber(interval_us), 100000)
local delay = named >= 0 and named or math.min(interval * 2 ^ strikes, 60000000)
local closed = math.max(tonumber(state[3] or 0), now + delay)
redis.call('HSET', scope, 'closed_until', string.format('%.0f', closed))
redis.call('PEXPIRE', scope, 172800000)
return math.ceil(closed - now)
