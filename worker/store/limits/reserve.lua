#!lua flags=allow-oom
-- Hand out the next free time slot of a limit: "when may I?", evenly spaced, first come first served over all processes.
--
-- KEYS  1 limit scope
-- ARGV  1 longest wait in us  then by window: interval in us, calls it may run ahead
-- Returns {1, us to wait} or, with nothing reserved, {0, us until it is worth asking again}.
-- Repeated: one slot is left unused.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local scope = redis.call('HMGET', KEYS[1], 'closed_until', 'pace')
local pace = tonumber(scope[2] or 1)
local slot = math.max(now, tonumber(scope[1] or 0))
local due, names = {}, {}
for i = 2, #ARGV, 2 do
  local name = i == 2 and 'next' or 'next' .. i / 2
  local interval = ARGV[i] * pace
  local at = tonumber(redis.call('HGET', KEYS[1], name) or 0)
  slot = math.max(slot, at - interval * ARGV[i + 1])
  names[#names + 1] = name
  due[#due + 1] = {at, interval}
end
if slot - now > tonumber(ARGV[1]) then return {0, math.ceil(slot - now)} end
for i, name in ipairs(names) do
  redis.call('HSET', KEYS[1], name, string.format('%.0f', math.max(due[i][1], slot) + due[i][2]))
end
redis.call('PEXPIRE', KEYS[1], 172800000)
return {1, math.ceil(slot - now)}
