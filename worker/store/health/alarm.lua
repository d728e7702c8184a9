#!lua flags=allow-oom
-- Raise or clear an alarm, so that only one of the processes that notice it sends a message.

local alarms, outbox = unpack(KEYS)
local action, alarm, facts, message, most = unpack(ARGV)
-- action is "raise" or "clear". facts describe a raised alarm. message may be '' (none is sent). outbox keeps the latest `most` messages.
--
-- Returns 1 if this call changed the alarm, else 0.
-- If repeated: raised by this very call already, 1; cleared already, 0.

if action == 'raise' then
  if redis.call('HSETNX', alarms, alarm, facts) == 0 then
    return redis.call('HGET', alarms, alarm) == facts and 1 or 0
  end
elseif redis.call('HDEL', alarms, alarm) == 0 then
  return 0
end
if message ~= '' then
  redis.call('LPUSH', outbox, message)
  redis.call('LTRIM', outbox, 0, most - 1)
end
return 1
