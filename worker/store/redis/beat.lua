#!lua flags=allow-oom
-- Renew a drain's lease; a drain that is struck off, or came too late, stays out.
--
-- KEYS  1 drains   ARGV  1 drain  2 lease in ms
-- Returns 1, or 0 if the lease is lost. Repeated: renews again.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local beat = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not beat or now - beat > tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now, ARGV[1])
return 1
