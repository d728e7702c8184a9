#!lua flags=allow-oom
-- Let a call leave whose slot has come, a whole interval after the call before it.
--
-- A late call and a punctual one behind it would come too close: this script, not the slot, keeps the distance.

local scope = unpack(KEYS)
local interval_us = unpack(ARGV)
-- Returns 0 (leave now), or the microseconds to wait before the next attempt; negative if the scope was closed meanwhile, for so many microseconds.
-- If repeated: the caller waits for one interval more.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local state = redis.call('HMGET', scope, 'closed_until', 'pace', 'departed', 'next', 'minute', 'minute_calls')
local closed = tonumber(state[1] or 0)
if closed > now then return -math.ceil(closed - now) end
local interval = interval_us * tonumber(state[2] or 1)
local free = tonumber(state[3] or 0) + interval
if free > now and free - now <= interval then return math.ceil(free - now) end
redis.call('HSET', scope, 'departed', string.format('%.0f', now))
-- Count the calls of this minute and of the one before, for `intake status`.
local minute = math.floor(now / 60000000)
if tonumber(state[5]) == minute then
  redis.call('HINCRBY', scope, 'minute_calls', 1)
else
  redis.call('HSET', scope, 'minute', minute, 'minute_calls', 1, 'before', tonumber(state[5]) == minute - 1 and state[6] or 0)
end
redis.call('HINCRBY', scope, 'calls', 1)
-- The next caller gets a slot after this departure, not after the slot that was missed.
if tonumber(state[4] or 0) < now + interval then redis.call('HSET', scope, 'next', string.format('%.0f', now + interval)) end
if state[2] then
  local pace = math.max(1, state[2] * 0.98)
  if pace > 1 then redis.call('HSET', scope, 'pace', pace) else redis.call('HDEL', scope, 'pace', 'strikes') end
end
return 0
