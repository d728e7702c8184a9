#!lua flags=allow-oom
-- Note that orders of a provider came which nobody had told of before.
--
-- KEYS  1 arrivals of the provider  2 cursor of the provider   ARGV  1 by what ("poll", "hint", "push")  2 how many
-- Repeated: counted once more, which only statistics see.

local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], 'last_' .. ARGV[1], now)
redis.call('HINCRBY', KEYS[1], 'count_' .. ARGV[1], ARGV[2])
if ARGV[1] ~= 'poll' then
  redis.call('HDEL', KEYS[1], 'missed')
  -- The next poll sees these too, and turns its cursor.
  local turned = redis.call('HGET', KEYS[2], 'turned') or ''
  if redis.call('HGET', KEYS[1], 'turn') ~= turned then redis.call('HSET', KEYS[1], 'turn', turned, 'unseen', now) end
elseif redis.call('HEXISTS', KEYS[2], 'walked') == 1 then
  -- In a row by the poll alone, once the past was read: no webhook told of these.
  redis.call('HINCRBY', KEYS[1], 'missed', ARGV[2])
end
return 1
