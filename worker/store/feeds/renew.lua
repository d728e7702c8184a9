#!lua flags=allow-oom
-- Renew or give back a lease, for its owner only.

local lease = unpack(KEYS)
local owner, lease_ms = unpack(ARGV)
-- With a lease_ms of 0 the lease is given back.
--
-- Returns 1, or 0 if somebody else has the lease.
-- If repeated: renews again; a lease that was given back already returns 0, which nobody reads.

if redis.call('GET', lease) ~= owner then return 0 end
if tonumber(lease_ms) == 0 then redis.call('DEL', lease) else redis.call('PEXPIRE', lease, lease_ms) end
return 1
