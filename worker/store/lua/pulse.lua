#!lua flags=allow-oom
-- Note that something is alive; what was not for a day is forgotten.
--
-- KEYS  1 pulse   ARGV  1 name
-- Repeated: noted again.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 86400000)
return 1
