#!lua flags=allow-oom
-- Write a few fields of a hash: why something is paused or failed has to get through even to a Redis that is full.
--
-- KEYS  1 hash   ARGV  1 field to count up, or ''  2 field to forget, or ''  then: field, value
-- Repeated: counted once more, which is the number of failures only.

for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
if ARGV[1] ~= '' then redis.call('HINCRBY', KEYS[1], ARGV[1], 1) end
if ARGV[2] ~= '' then redis.call('HDEL', KEYS[1], ARGV[2]) end
return 1
