#!lua flags=allow-oom
-- Let a caller whose slot has come out of the door, a whole interval after the one before.
--
-- A late sender and a punctual one behind it would come too close: the door, not the slot, keeps the distance.
-- KEYS  1 limit scope   ARGV  1 interval in us
-- Returns 0 (go now), or the us to wait before asking again; negative: the scope was closed meanwhile, for so many us.
-- Repeated: the caller waits one interval more.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local scope = redis.call('HMGET', KEYS[1], 'closed_until', 'pace', 'departed', 'next', 'minute', 'minute_calls')
local closed = tonumber(scope[1] or 0)
if closed > now then return -math.ceil(closed - now) end
local interval = ARGV[1] * tonumber(scope[2] or 1)
local free = tonumber(scope[3] or 0) + interval
if free > now and free - now <= interval then return math.ceil(free - now) end
redis.call('HSET', KEYS[1], 'departed', string.format('%.0f', now))
-- How many went out in this minute and in the one before, for a person who looks.
local minute = math.floor(now / 60000000)
if tonumber(scope[5]) == minute then
  redis.call('HINCRBY', KEYS[1], 'minute_calls', 1)
else
  redis.call('HSET', KEYS[1], 'minute', minute, 'minute_calls', 1, 'before', tonumber(scope[5]) == minute - 1 and scope[6] or 0)
end
redis.call('HINCRBY', KEYS[1], 'calls', 1)
-- Whoever asks next is given a slot behind this departure, not behind the slot that was missed.
if tonumber(scope[4] or 0) < now + interval then redis.call('HSET', KEYS[1], 'next', string.format('%.0f', now + interval)) end
if scope[2] then
  local pace = math.max(1, scope[2] * 0.98)
  if pace > 1 then redis.call('HSET', KEYS[1], 'pace', pace) else redis.call('HDEL', KEYS[1], 'pace', 'strikes') end
end
return 0
