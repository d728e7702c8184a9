-- Keep the dead letter of a record that could not be read.
--
-- KEYS  1 letters of the provider   ARGV  1 external id  2 letter
-- Repeated: replaced by the same.

return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
