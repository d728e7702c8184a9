#!lua flags=allow-oom
-- Hand out the next free slot of a limit, evenly spaced, first come first served over all processes.

local scope = unpack(KEYS)
local patience_us = unpack(ARGV, 1, 1)
-- Then for each window: interval_us, ahead
--
-- patience_us is the longest wait. ahead is the number of calls by which a window may run ahead of its spacing.
--
-- Returns {1, microseconds to wait} or, with nothing reserved, {0, microseconds until the next attempt is worthwhile}.
-- If repeated: one slot stays unused.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local state = redis.call('HMGET', scope, 'closed_until', 'pace')
local pace = tonumber(state[2] or 1)
local slot = math.max(now, tonumber(state[1] or 0))
local due, names = {}, {}
for i = 2, #ARGV, 2 do
  local name = i == 2 and 'next' or 'next' .. i / 2
  local interval = ARGV[i] * pace
  local at = tonumber(redis.call('HGET', scope, name) or 0)
  slot = math.max(slot, at - interval * ARGV[i + 1])
  names[#names + 1] = name
  due[#due + 1] = {at, interval}
end
if slot - now > tonumber(patience_us) then return {0, math.ceil(slot - now)} end
for i, name in ipairs(names) do
  redis.call('HSET', scope, name, string.format('%.0f', math.max(due[i][1], slot) + due[i][2]))
end
redis.call('PEXPIRE', scope, 172800000)
return {1, math.ceil(slot - now)}
