#!lua flags=allow-oom
-- Raise an alarm or clear it, so that of all who see it one tells it.
--
-- KEYS  1 alarms  2 messages that are to be sent
-- ARGV  1 "raise" or "clear"  2 alarm  3 what is known of it (raise)  4 message, or '' (nobody is sent one)  5 most messages
-- Returns 1 if this call changed it, else 0. Repeated: raised by this very call already, 1; cleared already, 0.

if ARGV[1] == 'raise' then
  if redis.call('HSETNX', KEYS[1], ARGV[2], ARGV[3]) == 0 then
    return redis.call('HGET', KEYS[1], ARGV[2]) == ARGV[3] and 1 or 0
  end
elseif redis.call('HDEL', KEYS[1], ARGV[2]) == 0 then
  return 0
end
if ARGV[4] ~= '' then
  redis.call('LPUSH', KEYS[2], ARGV[4])
  redis.call('LTRIM', KEYS[2], 0, ARGV[5] - 1)
end
return 1
