#!lua flags=allow-oom
-- Let go of jobs that are in the ledger, or among the dead letters.
--
-- KEYS  1 takers  2 jobs of this taker  3 times lost, by job  4 dead letters  5 counters
-- ARGV  1 taker  2 lease in ms  then by counter: name, count  then "letters", by letter: id, letter
-- Returns 1, or 0 if the lease has ended: another taker does it all again.
-- Repeated: the jobs are gone already; only the counters would count twice, so an empty hand counts nothing.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local beat = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not beat or now - beat > tonumber(ARGV[2]) then return 0 end
if redis.call('LLEN', KEYS[2]) == 0 then return 1 end

local i = 3
while ARGV[i] and ARGV[i] ~= 'letters' do
  redis.call('HINCRBY', KEYS[5], ARGV[i], ARGV[i + 1])
  i = i + 2
end
for n = i + 1, #ARGV, 2 do redis.call('HSET', KEYS[4], ARGV[n], ARGV[n + 1]) end
if redis.call('HLEN', KEYS[3]) > 0 then
  for _, job in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do redis.call('HDEL', KEYS[3], redis.sha1hex(job)) end
end
redis.call('DEL', KEYS[2])
return 1
