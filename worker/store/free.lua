#!lua flags=allow-oom
-- Put back the jobs of dead takers, and those that were put off until now.
--
-- KEYS  1 takers  2 jobs that lost their taker  3 times lost, by job  4 jobs that were put off, by time  5 inbox
-- ARGV  1 lease in ms  2 prefix of takers' jobs
-- Returns how many jobs of dead takers were put back.
-- Repeated: the dead are gone already.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local freed = 0
for _, taker in ipairs(redis.call('ZRANGE', KEYS[1], '-inf', '(' .. (now - ARGV[1]), 'BYSCORE')) do
  local held = ARGV[2] .. taker
  while true do
    local job = redis.call('LMOVE', held, KEYS[2], 'LEFT', 'LEFT')
    if not job then break end
    redis.call('HINCRBY', KEYS[3], redis.sha1hex(job), 1)
    freed = freed + 1
  end
  redis.call('ZREM', KEYS[1], taker)
end
for _, job in ipairs(redis.call('ZRANGE', KEYS[4], '-inf', now, 'BYSCORE', 'LIMIT', 0, 1000)) do
  redis.call('LPUSH', KEYS[5], job)
  redis.call('ZREM', KEYS[4], job)
end
return freed
