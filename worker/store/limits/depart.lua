#!lua flags=allow-oom
-- Let a call leave whose slot has come, a whole interval after the call before it, and count it.
--
-- A call that is late by up to debt_us, because nobody woke up in time, does not make the next one late: it leaves when it would have left anyway. The limit
-- bears that (see `Scope`). A refusal shows that this server counts otherwise: then nothing is made up for while the calls keep more distance.
-- A late call and a punctual one behind it would come too close: this script, not the slot, keeps the distance. It runs when the connection is open.

local scope = unpack(KEYS)
local slot, lead_us, debt_us, keep_ms = unpack(ARGV, 1, 4)
-- Then for each window: period_s, interval_us, ahead
--
-- slot is what reserve.lua returned. Calls may leave later than their slots; `lag` is by how much. Callers that are late wait for a departure of their own each,
-- instead of all waking up for the next one. A call may be granted up to lead_us early, because the response takes its time; the caller waits for the rest.
-- keep_ms is as in reserve.lua.
--
-- Returns {1, microseconds to wait, when the call leaves} or, with nothing counted, {0, microseconds until the next attempt, 0}.
-- If repeated: one call is counted that is not made.

local windows = {}
for i = 5, #ARGV, 3 do windows[#windows + 1] = {unpack(ARGV, i, i + 2)} end
local RELAX, LEAST = 0.00005, 1.0001

-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000000 + time[2]
local state = redis.call('HMGET', scope, 'closed_until', 'pace', 'departed', 'lag', 'minute', 'minute_calls', 'newest')
local closed, pace = tonumber(state[1] or 0), tonumber(state[2] or 1)
if closed > now then return {0, math.ceil(closed - now), 0} end
local interval = windows[1][2] * pace
local behind, lag = (state[3] or 0) + interval, tonumber(state[4] or 0)
local due = math.max(behind, now - (state[2] and 0 or debt_us))
local leave = math.max(now, due)
if leave - now > tonumber(lead_us) then return {0, math.ceil(math.max(leave, slot + lag) - now - lead_us), 0} end

-- All longer windows are looked at before any is changed.
local after = {}
for number = 2, #windows do
  local period, spacing, ahead = unpack(windows[number])
  local at = tonumber(redis.call('HGET', scope, 'after ' .. period) or 0)
  if at - spacing * ahead > leave then return {0, math.ceil(at - spacing * ahead - now), 0} end
  after['after ' .. period] = math.max(at, leave) + spacing
end
for field, at in pairs(after) do redis.call('HSET', scope, field, string.format('%.0f', at)) end
redis.call('HSET', scope, 'departed', string.format('%.0f', due))
redis.call('PEXPIRE', scope, keep_ms)
-- Count the calls of this minute and of the one before, for `intake status`.
local minute = math.floor(now / 60000000)
if tonumber(state[5]) == minute then
  redis.call('HINCRBY', scope, 'minute_calls', 1)
else
  redis.call('HSET', scope, 'minute', minute, 'minute_calls', 1, 'before', tonumber(state[5]) == minute - 1 and state[6] or 0)
end
redis.call('HINCRBY', scope, 'calls', 1)
-- A caller that is late, while calls with later slots have left, does not make those behind it late.
if tonumber(slot) > tonumber(state[7] or 0) then
  redis.call('HSET', scope, 'newest', slot, 'lag', string.format('%.0f', math.max(lag, behind - slot)))
end
-- After a refusal calls keep more distance. The distance shrinks slowly, so that about one call in 200 finds it too short.
if pace > LEAST then redis.call('HSET', scope, 'pace', pace - math.max(RELAX, (pace - 1.05) * 0.02)) elseif state[2] then redis.call('HDEL', scope, 'pace') end
return {1, math.ceil(leave - now), string.format('%.0f', leave)}
