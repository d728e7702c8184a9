-- Return the time of the ledger. It is the clock of Redis, except where that clock steps: then the time goes on as if it had not.
--
-- The hash intake:clock has the last reading of Redis' clock ("read"), how far the ledger is ahead of it ("ahead"), the last step ("stepped", at the time
-- "stepped_at" of the ledger; all in microseconds), "repair" after a step back, and for each host its own clock at its last reading, which never steps.
-- The last key of every script is the witness of its caller: intake:clock:HOST:MICROSECONDS since the host started (see witness.py).
--
-- A clock that went back counts as standing still since the last written reading, which is at most EVERY ago. If more than JUMP seems to have passed at
-- once, the caller's clock decides how much it was: running processes read the time each second. The first reading by a host that is not known is believed: it
-- has just started, and so has Intake.
-- After a step the ledger approaches the clock of Redis by SLEW, which the margin of the limits covers.

-- Return {seconds, microseconds}, as TIME does.
local function ledger_time()
  local JUMP, ALARM, EVERY, SLEW, MOST_HOSTS = 1200000, 5000000, 100000, 0.005, 100
  local time = redis.call('TIME')
  local raw = time[1] * 1000000 + time[2]
  local host, up = string.match(KEYS[#KEYS] or '', '^intake:clock:(.*):(%d+)$')
  local known = redis.call('HMGET', 'intake:clock', 'read', 'ahead', host or '')
  local read, ahead = tonumber(known[1] or raw), tonumber(known[2] or 0)
  local gap = raw - read
  local passed = math.max(gap, 0)
  local up_then, at_then = string.match(known[3] or '', '^(%d+) (%d+)$')
  if gap > JUMP and up_then then passed = math.max(0, math.min(gap, at_then + up - up_then - read - ahead)) end
  local step = gap - passed
  ahead = ahead - step
  ahead = ahead > 0 and math.max(0, ahead - passed * SLEW) or math.min(0, ahead + passed * SLEW)
  local now = raw + ahead
  -- A user of Redis that may only read (see users.acl.example) reads the time all the same, and no refusal is logged. Redis before 7.0 cannot tell.
  local function may_write() return not redis.acl_check_cmd or redis.acl_check_cmd('HSET', 'intake:clock', 'read', raw) end
  if (gap < 0 or gap >= EVERY or (host and not up_then)) and may_write() then
    local fields = {'read', string.format('%.0f', raw), 'ahead', string.format('%.0f', ahead)}
    local function add(name, value) fields[#fields + 1], fields[#fields + 2] = name, value end
    if host then add(host, up .. ' ' .. string.format('%.0f', now)) end
    if math.abs(step) > ALARM then
      add('stepped', string.format('%.0f', step))
      add('stepped_at', string.format('%.0f', now))
    end
    if step < -JUMP then add('repair', '1') end
    if host and not up_then and redis.call('HLEN', 'intake:clock') > MOST_HOSTS then redis.pcall('DEL', 'intake:clock') end
    -- A script that may not write, such as on a replica, returns the time without noting it.
    redis.pcall('HSET', 'intake:clock', unpack(fields))
  end
  return {math.floor(now / 1000000), now % 1000000}
end
