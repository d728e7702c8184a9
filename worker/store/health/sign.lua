#!lua flags=allow-oom
-- Note a sign of life, on Redis' clock.
--
-- KEYS  1 signs of life   ARGV  1 whose
-- Repeated: noted again.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
-- What is gone for a day is not missed any more.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 86400000)
return 1
