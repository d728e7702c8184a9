#!lua flags=allow-oom
-- Change a field of the state of the alarms, so that only one of the processes that notice it logs it and sends messages.

local state = unpack(KEYS)
local outbox_prefix, field, before, after, message, most, keep_ms = unpack(ARGV, 1, 7)
-- The field changes from `before` to `after` ('': it is not there). Each outbox keeps the latest `most` messages, for keep_ms after the last one.
-- Then for each destination of the message: destination
--
-- Returns 1 if this call changed the field, else 0.
-- If repeated: changed by this very call already, 1; removed already, 0.

local current = redis.call('HGET', state, field) or ''
if current ~= before or before == after then return after ~= '' and current == after and 1 or 0 end
if after == '' then
  redis.call('HDEL', state, field)
else
  redis.call('HSET', state, field, after)
end
for i = 8, #ARGV do
  local outbox = outbox_prefix .. ARGV[i]
  redis.call('LPUSH', outbox, message)
  redis.call('LTRIM', outbox, 0, most - 1)
  redis.call('PEXPIRE', outbox, keep_ms)
end
return 1
