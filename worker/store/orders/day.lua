-- Daily counters of a target: one hash for each day (UTC). The report of a period is built from them.
--
-- Not a script of its own: scripts that move orders include it and count in the same step, so that nothing is counted twice or not at all.
-- The including script names its lane `lane`. The hash intake:day:TARGET:<days since 1970> expires after 400 days. Its fields end with the provider: "in PROVIDER"
-- (accepted), "out PROVIDER" (created, or found in the target), "updated …", "cancelled …", "retry CODE …", "dead CODE …", "in_doubt CODE …", "held CODE …", and
-- "t<tenths of a second, rounded to two digits> …": the number of deliveries that took so long. The hash intake:hours:TARGET:<day> has "in HOUR" and "out HOUR" of
-- all providers, and expires after 15 days.

-- The time of the script, and the keys and the hour of that time.
local day_at, counters, hours, hour

local function tally(now, key, name)
  if now ~= day_at then
    local of_day = string.sub(lane, 13) .. ':' .. string.format('%.0f', math.floor(now / 86400000))
    counters, hours = 'intake:day:' .. of_day, 'intake:hours:' .. of_day
    day_at, hour = now, string.format('%.0f', math.floor(now % 86400000 / 3600000))
  end
  if name == 'in' or name == 'out' then
    if redis.call('HINCRBY', hours, name .. ' ' .. hour, 1) == 1 then redis.call('PEXPIRE', hours, 1296000000) end
  end
  if redis.call('HINCRBY', counters, name .. ' ' .. string.match(key, '^[^:]*'), 1) > 1 then return end
  redis.call('PEXPIRE', counters, 34560000000)
  -- When counting began: earlier days had orders, too.
  redis.call('HSETNX', 'intake:ledger', 'counted', string.format('%.0f', now))
end

local function tally_out(now, key, seen)
  tally(now, key, 'out')
  local tenths = math.max(1, math.floor((now - (seen or now)) / 100 + 0.5))
  local step = 10 ^ math.max(0, #string.format('%.0f', tenths) - 2)
  tally(now, key, 't' .. string.format('%.0f', math.floor(tenths / step + 0.5) * step))
end
