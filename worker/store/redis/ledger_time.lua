-- Return the time of the ledger. It is the clock of Redis, except where that clock steps: then the time goes on as if it had not.
--
-- The hash intake:clock has the last reading of Redis' clock ("read"), how far the ledger is ahead of it ("ahead"), the last step ("stepped", at the time
-- "stepped_at" of the ledger; all in microseconds), "repair" after a step back, and for each host its own clock at its last reading, which never steps.
-- The last key of every script is the witness of its caller: intake:clock:HOST:MICROSECONDS since the host started:SENT:RETURNED (see witness.py).
--
-- A clock that went back counts as standing still since the last written reading, which is at most EVERY ago. If more than JUMP seems to have passed at
-- once, the caller's clock decides how much it was: running processes read the time each second. The first reading by a host that is not known is believed: it
-- has just started, and so has Intake.
-- "blank" is the last time in which nothing was noted for longer than BLANK: nobody used the ledger, or it went back to an earlier state in a server that kept
-- running. The latter it was if a caller knows of a script that was SENT and RETURNED in the blank, by the clock of its host: that script noted the time. Then
-- "forgot" is set, and era.lua begins an era. What the clocks may differ is allowed for: a small step that was believed, and a part (DRIFT) of the time since;
-- a larger step ends the blank.
-- After a step the ledger approaches the clock of Redis by SLEW, which the margin of the limits covers.

-- Return {seconds, microseconds}, as TIME does.
local function ledger_time()
  local JUMP, ALARM, EVERY, SLEW, MOST_HOSTS = 1200000, 5000000, 100000, 0.005, 100
  local BLANK, DRIFT = 5000000, 0.01
  local time = redis.call('TIME')
  local raw = time[1] * 1000000 + time[2]
  local host, up, sent, returned = string.match(KEYS[#KEYS] or '', '^intake:clock:(.*):(%d+):(%d*):(%d*)$')
  local known = redis.call('HMGET', 'intake:clock', 'read', 'ahead', host or '', 'blank')
  local read, ahead = tonumber(known[1] or raw), tonumber(known[2] or 0)
  local gap = raw - read
  local passed = math.max(gap, 0)
  local up_then, at_then = string.match(known[3] or '', '^(%d+) (%d+)$')
  if gap > JUMP and up_then then passed = math.max(0, math.min(gap, at_then + up - up_then - read - ahead)) end
  local step, noted = gap - passed, read + ahead
  ahead = ahead - step
  ahead = ahead > 0 and math.max(0, ahead - passed * SLEW) or math.min(0, ahead + passed * SLEW)
  local now = raw + ahead
  local begins, ends = string.match(known[4] or '', '^(%d+) (%d+)$')
  local blank = math.abs(step) > JUMP and '' or (up_then and passed > BLANK and string.format('%.0f %.0f', noted, now))
  if blank then begins, ends = string.match(blank, '^(%d+) (%d+)$') end
  -- Return the earliest or latest time of the ledger at which the clock of the host showed this.
  local function at(shown, drift) return now - (up - shown) * (1 + drift) end
  local forgot = begins and sent and sent ~= '' and at(sent, DRIFT) > begins + 1500000 and at(returned, -DRIFT) < tonumber(ends)
  -- A user of Redis that may only read (see users.acl.example) reads the time all the same, and no refusal is logged. Redis before 7.0 cannot tell.
  local function may_write() return not redis.acl_check_cmd or redis.acl_check_cmd('HSET', 'intake:clock', 'read', raw) end
  if (gap < 0 or gap >= EVERY or (host and not up_then) or forgot) and may_write() then
    local fields = {'read', string.format('%.0f', raw), 'ahead', string.format('%.0f', ahead)}
    local function add(name, value) fields[#fields + 1], fields[#fields + 2] = name, value end
    if host then add(host, up .. ' ' .. string.format('%.0f', now)) end
    if math.abs(step) > ALARM then
      add('stepped', string.format('%.0f', step))
      add('stepped_at', string.format('%.0f', now))
    end
    if step < -JUMP then add('repair', '1') end
    if forgot then add('forgot', '1') end
    if blank or forgot then add('blank', forgot and '' or blank) end
    if host and not up_then and redis.call('HLEN', 'intake:clock') > MOST_HOSTS then redis.pcall('DEL', 'intake:clock') end
    -- A script that may not write, such as on a replica, returns the time without noting it.
    redis.pcall('HSET', 'intake:clock', unpack(fields))
  end
  return {math.floor(now / 1000000), now % 1000000}
end
