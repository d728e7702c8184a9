-- What became of a target's orders, by day: one hash for each day (UTC), of counters; the report of a period is made of them.
--
-- No script of its own: those that move orders include it, and count in the same step, so nothing is counted twice or not at all. KEYS[1] is the lane.
-- intake:day:TARGET:<days since 1970>, which ends 400 days later, has: "in PROVIDER" (accepted), "out PROVIDER" (created, or found
-- there), "updated", "retry CODE", "dead CODE", "in_doubt CODE", "held CODE"; and t<tenths of a second, two digits of it>: how many deliveries took so long.

local function tally(now, name)
  local of = 'intake:day:' .. string.sub(KEYS[1], 13) .. ':' .. string.format('%.0f', math.floor(now / 86400000))
  if redis.call('HINCRBY', of, name, 1) > 1 then return end
  redis.call('PEXPIRE', of, 34560000000)
  -- Since when anything is counted at all: a day before that had orders, too.
  redis.call('HSETNX', 'intake:ledger', 'counted', string.format('%.0f', now))
end

local function tally_out(now, key, seen)
  tally(now, 'out ' .. string.match(key, '^[^:]*'))
  local tenths = math.max(1, math.floor((now - (seen or now)) / 100 + 0.5))
  local step = 10 ^ math.max(0, #string.format('%.0f', tenths) - 2)
  tally(now, 't' .. string.format('%.0f', math.floor(tenths / step + 0.5) * step))
end
