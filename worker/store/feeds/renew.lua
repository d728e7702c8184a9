#!lua flags=allow-oom
-- Renew a poll lease, for its owner only.
--
-- KEYS  1 poll lease   ARGV  1 owner  2 lease in ms (0: give it back)
-- Returns 1, or 0 if it is another's. Repeated: renews again; given back already is 0, and nobody minds.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if tonumber(ARGV[2]) == 0 then redis.call('DEL', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
