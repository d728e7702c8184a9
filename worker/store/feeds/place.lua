#!lua flags=allow-oom
-- Move a cursor by hand, from the value that the person saw; a running poll finds that its own value is gone, and moves the cursor no more.

local cursor, former = unpack(KEYS)
local seen, value, action, keep = unpack(ARGV)
-- former holds the earlier values, the latest first, at most keep of them. '' as a value means none: as before the first poll. action is "set" or "undo".
--
-- Returns 1, or 0 if the cursor, or the value to restore, changed meanwhile.
-- If repeated: the cursor has the value already, 1.

local current = redis.call('HGET', cursor, 'value') or ''
if current == value then return 1 end
if current ~= seen then return 0 end
-- include ledger_time.lua
local time = ledger_time()
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
if action == 'undo' then
  local last = redis.call('LINDEX', former, 0)
  if not last or string.sub(last, string.find(last, ' ', 1, true) + 1) ~= value then return 0 end
  redis.call('LPOP', former)
else
  redis.call('LPUSH', former, now .. ' ' .. current)
  redis.call('LTRIM', former, 0, keep - 1)
end
if value == '' then redis.call('HDEL', cursor, 'value') else redis.call('HSET', cursor, 'value', value) end
redis.call('HSET', cursor, 'moved', now)
-- The poll is not finished, so the sweep starts one at once.
redis.call('HDEL', cursor, 'finished', 'error', 'failures', 'retry_at')
return 1
