#!lua flags=allow-oom
-- The other side said "slow down": close the scope for every worker, then go on slower for a while.
--
-- KEYS  1 limit scope   ARGV  1 us they named (-1: none)  2 interval in us (0: no limit of ours)
-- Returns the us it is closed. Without a time of theirs it doubles with every strike, from two intervals up to a minute.
-- Repeated: closed once more, a little longer.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local named = tonumber(ARGV[1])
local scope = redis.call('HMGET', KEYS[1], 'strikes', 'pace', 'closed_until')
local strikes = tonumber(scope[1] or 0)
-- Calls that were on their way when the scope was closed are refused as well: one strike for all of them.
if tonumber(scope[3] or 0) <= now then
  strikes = math.min(strikes + 1, 20)
  redis.call('HSET', KEYS[1], 'strikes', strikes, 'pace', math.min(tonumber(scope[2] or 1) * 1.1, 4))
end
local interval = math.max(tonumber(ARGV[2]), 100000)
local delay = named >= 0 and named or math.min(interval * 2 ^ strikes, 60000000)
local closed = math.max(tonumber(scope[3] or 0), now + delay)
redis.call('HSET', KEYS[1], 'closed_until', string.format('%.0f', closed))
redis.call('PEXPIRE', KEYS[1], 172800000)
return math.ceil(closed - now)
