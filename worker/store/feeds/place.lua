#!lua flags=allow-oom
-- Move a cursor by hand, from the value that the person saw; a poll that runs finds its own value gone, and moves it no more.
--
-- KEYS  1 cursor  2 former values, the latest first
-- ARGV  1 value that was seen ('': none)  2 new value ('': none, as before the first poll)  3 "set" or "undo"  4 former values that are kept
-- Returns 1, or 0 if the cursor, or what is to be put back, was moved meanwhile.
-- Repeated: the cursor is there already, 1.

local value = redis.call('HGET', KEYS[1], 'value') or ''
if value == ARGV[2] then return 1 end
if value ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
if ARGV[3] == 'undo' then
  local last = redis.call('LINDEX', KEYS[2], 0)
  if not last or string.sub(last, string.find(last, ' ', 1, true) + 1) ~= ARGV[2] then return 0 end
  redis.call('LPOP', KEYS[2])
else
  redis.call('LPUSH', KEYS[2], now .. ' ' .. value)
  redis.call('LTRIM', KEYS[2], 0, ARGV[4] - 1)
end
if ARGV[2] == '' then redis.call('HDEL', KEYS[1], 'value') else redis.call('HSET', KEYS[1], 'value', ARGV[2]) end
redis.call('HSET', KEYS[1], 'moved', now)
-- Not finished: the sweep sends a poll at once.
redis.call('HDEL', KEYS[1], 'finished', 'error', 'failures', 'retry_at')
return 1
