#!lua flags=allow-oom
-- Put back the jobs of dead takers, and the deferred jobs that are due.

local takers, again, lost, deferred, inbox = unpack(KEYS)
local lease_ms, taken_prefix = unpack(ARGV)
-- again holds jobs whose taker died, lost the takers that died while they held a job alone; deferred is scored by the time when a job is due.
--
-- Returns how many jobs of dead takers were put back. Jobs that a taker gave up (see excuse.lua) return to the inbox, in their order.
-- If repeated: the dead takers are gone already.

-- include excused.lua
-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local freed = 0
for _, taker in ipairs(redis.call('ZRANGE', takers, '-inf', '(' .. (now - lease_ms), 'BYSCORE')) do
  local taken = taken_prefix .. taker
  local count, excused = redis.call('LLEN', taken), is_excused(redis.call('ZSCORE', takers, taker))
  for _ = 1, count do
    if excused then
      redis.call('LMOVE', taken, inbox, 'RIGHT', 'RIGHT')
    else
      local job = redis.call('LMOVE', taken, again, 'LEFT', 'LEFT')
      if count == 1 then add_death(lost, redis.sha1hex(job), taker) end
    end
  end
  freed = freed + count
  redis.call('ZREM', takers, taker)
end
for _, job in ipairs(redis.call('ZRANGE', deferred, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1000)) do
  redis.call('LPUSH', inbox, job)
  redis.call('ZREM', deferred, job)
end
return freed
