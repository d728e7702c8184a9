#!lua flags=allow-oom
-- Note a sign of life, on Redis' clock.

local signs, files = unpack(KEYS)
local name, file = unpack(ARGV)
-- file is the fingerprint of the settings of this process, or ''. files holds it by name.
--
-- If repeated: notes it again.

-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', signs, now, name)
if file ~= '' then redis.call('HSET', files, name, file) end
-- A process that has been gone for a day is not expected back.
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', signs, '-inf', now - 86400000)) do
  redis.call('ZREM', signs, gone)
  redis.call('HDEL', files, gone)
end
return 1
