-- Keep the dead letter of a record that could not be read.
--
-- KEYS  1 letters of the provider  2 poll lease   ARGV  1 external id  2 letter  3 owner of the lease, or '' (no poll)
-- Returns 1, or 0 if the poll was overtaken: another may have read that record by now. Repeated: replaced by the same.

if ARGV[3] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
