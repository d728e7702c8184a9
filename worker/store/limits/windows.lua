-- Return when a limit admits calls. The including script names the key `scope` and the list `windows`, shortest first, each {period_s, interval_us, ahead}.
--
-- The first window is spaced evenly: `next` is its next free slot, and `lag` is by how much calls leave later than their slots. A longer window may run ahead
-- of its spacing by `ahead` calls: the field "after PERIOD" is the time at which the calls so far would be over if they had been spaced evenly.

-- Return when the next call may leave, and how many calls may leave from then to `to` (all in microseconds).
local function admit(now, to)
  local state = redis.call('HMGET', scope, 'closed_until', 'next', 'pace', 'lag', 'departed')
  local opens, calls = math.max(now, tonumber(state[1] or 0)), 1000000000
  for number, window in ipairs(windows) do
    local period, interval, ahead = unpack(window)
    local at
    if number == 1 then
      interval = interval * (state[3] or 1)
      at = math.max((state[2] or 0) + (state[4] or 0), (state[5] or 0) + interval)
      opens = math.max(opens, at)
      calls = math.max(1, math.floor((to - opens) / interval))
    else
      at = math.max(now, tonumber(redis.call('HGET', scope, 'after ' .. period) or 0)) - interval * ahead
      opens = math.max(opens, at)
      calls = math.min(calls, math.floor((to - at) / interval) + 1)
    end
  end
  return opens, opens > to and 0 or calls
end
