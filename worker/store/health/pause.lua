#!lua flags=allow-oom
-- Pause an account, or resume it: one step, so that of two people who do it at once the second learns of the first.

local hash = unpack(KEYS)
local wanted, seen, duration_ms = unpack(ARGV)
-- hash is a lane or a cursor. wanted is the reason of the pause, or '' to resume; seen is what the caller saw: a reason, '' for no pause, or '*' for whatever
-- there is. duration_ms may be '': until it is resumed.
--
-- Returns 1 if this did it; 0 if the state is another one than seen, and nothing was done.
-- If repeated: the state is another one, 0; with '*' the same again, 1.

-- include ledger_time.lua
local known = redis.call('HGET', hash, 'paused') or ''
if seen ~= '*' and known ~= seen then return 0 end
redis.call('HDEL', hash, 'paused', 'paused_until')
if wanted ~= '' then redis.call('HSET', hash, 'paused', wanted) end
if duration_ms ~= '' then
  local time = ledger_time()
  redis.call('HSET', hash, 'paused_until', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + duration_ms))
end
return 1
