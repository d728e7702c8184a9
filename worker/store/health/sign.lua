#!lua flags=allow-oom
-- Note a sign of life, on Redis' clock.

local signs = unpack(KEYS)
local name = unpack(ARGV)
-- If repeated: notes it again.

-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', signs, now, name)
-- A process that has been gone for a day is not expected back.
redis.call('ZREMRANGEBYSCORE', signs, '-inf', now - 86400000)
return 1
