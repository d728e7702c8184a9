#!lua flags=allow-oom
-- Note that new orders of a provider arrived.

local arrivals, cursor = unpack(KEYS)
local source, count = unpack(ARGV)
-- source is what brought them: "poll", "hint" or "push".
--
-- If repeated: counts once more, which affects only statistics.

-- include ledger_time.lua
local time = ledger_time()
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', arrivals, 'last_' .. source, now)
redis.call('HINCRBY', arrivals, 'count_' .. source, count)
if source ~= 'poll' then
  redis.call('HDEL', arrivals, 'missed')
  -- The next poll sees these orders too, and changes its cursor.
  local turned = redis.call('HGET', cursor, 'turned') or ''
  if redis.call('HGET', arrivals, 'turn') ~= turned then redis.call('HSET', arrivals, 'turn', turned, 'unseen', now) end
elseif redis.call('HEXISTS', cursor, 'walked') == 1 then
  -- Orders in a row that only the poll found, after the past was read: no webhook reported them.
  redis.call('HINCRBY', arrivals, 'missed', count)
end
return 1
