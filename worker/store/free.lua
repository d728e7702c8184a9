#!lua flags=allow-oom
-- Put back the jobs of dead takers, and the deferred jobs that are due.

local takers, again, lost, deferred, inbox = unpack(KEYS)
local lease_ms, taken_prefix = unpack(ARGV)
-- again holds jobs that lost their taker, lost how often each did; deferred is scored by the time when a job is due.
--
-- Returns how many jobs of dead takers were put back.
-- If repeated: the dead takers are gone already.

-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local freed = 0
for _, taker in ipairs(redis.call('ZRANGE', takers, '-inf', '(' .. (now - lease_ms), 'BYSCORE')) do
  local taken = taken_prefix .. taker
  while true do
    local job = redis.call('LMOVE', taken, again, 'LEFT', 'LEFT')
    if not job then break end
    redis.call('HINCRBY', lost, redis.sha1hex(job), 1)
    freed = freed + 1
  end
  redis.call('ZREM', takers, taker)
end
for _, job in ipairs(redis.call('ZRANGE', deferred, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1000)) do
  redis.call('LPUSH', inbox, job)
  redis.call('ZREM', deferred, job)
end
return freed
