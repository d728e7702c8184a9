#!lua flags=allow-oom
-- Write down what became of an order that was to be fetched; a hint that came meanwhile has it fetched again.
--
-- KEYS  1 due (order ids by time)  2 tries
-- ARGV  1 id  2 score by which it was handed out  3 "done", "again" or "wait"  4 delay in ms
-- Returns 1, or 0 if it was not this one's any more. Repeated: it is not this one's any more.

if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
if ARGV[3] == 'done' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
  return 1
end
local time = redis.call('TIME')
if ARGV[3] == 'again' then redis.call('HINCRBY', KEYS[2], ARGV[1], 1) end
redis.call('ZADD', KEYS[1], string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[4])), ARGV[1])
return 1
