#!lua flags=allow-oom
-- Let go of jobs that are in the ledger, or among the dead letters.

local takers, taken, lost, dead_letters, counters, receipts = unpack(KEYS)
local taker, lease_ms, receipt_count, counter_count = unpack(ARGV, 1, 4)
-- Then for each counter, and after those for each dead letter: name, value
--
-- taken holds the jobs of this taker, lost the takers that died while they held a job alone. The first counter_count pairs are counters.
-- receipt_count is the number of receipts that were left for these jobs (see receipts.py).
--
-- Returns 1, or 0 if the lease has ended: another taker does it all again. -1 if Redis forgot what was written for the jobs: the taker takes them again.
-- If repeated: the jobs are gone already. Only the counters would count twice, so a taker without jobs counts nothing.

-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local beat = redis.call('ZSCORE', takers, taker)
if not beat or now - beat > tonumber(lease_ms) then return 0 end
if redis.call('LLEN', taken) == 0 then return 1 end

local left = redis.call('SCARD', receipts)
redis.call('DEL', receipts)
if left < tonumber(receipt_count) then return -1 end

local last_counter = 4 + 2 * counter_count
for i = 5, #ARGV, 2 do
  if i < last_counter then
    redis.call('HINCRBY', counters, ARGV[i], ARGV[i + 1])
  else
    redis.call('HSET', dead_letters, ARGV[i], ARGV[i + 1])
  end
end
if redis.call('HLEN', lost) > 0 then
  for _, job in ipairs(redis.call('LRANGE', taken, 0, -1)) do redis.call('HDEL', lost, redis.sha1hex(job)) end
end
redis.call('DEL', taken)
return 1
