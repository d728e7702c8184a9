#!lua flags=allow-oom
-- Renew the lease of a drain or a taker; one that was removed, or whose lease has ended, stays out.

local members = unpack(KEYS)
local member, lease_ms, stopping = unpack(ARGV)
-- members is scored by the last sign of life. stopping is 1 once the process was asked to stop: if it is killed then, that is no death (see excused.lua).
--
-- Returns 1, or 0 if the lease is lost.
-- If repeated: renews again.

-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local beat = redis.call('ZSCORE', members, member)
if not beat or now - beat > tonumber(lease_ms) then return 0 end
redis.call('ZADD', members, now + stopping / 2, member)
return 1
