#!lua flags=allow-oom
-- Hand jobs of the inbox to one taker, which holds them until it is done with them or its lease ends.

local inbox, takers, taken, again, lost = unpack(KEYS)
local taker, most, most_bytes, lease_ms = unpack(ARGV)
-- taken holds the jobs of this taker, again the jobs whose taker died, lost the takers that died while they held a job alone.
--
-- Returns {"lost"}, or {how many takers died while they held the first job alone, job...}, oldest first.
-- If repeated: a taker is done with all its jobs before it takes again, so jobs that it still holds are the response that was lost.

-- include excused.lua
-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local beat = redis.call('ZSCORE', takers, taker)
if beat and now - beat > tonumber(lease_ms) then return {'lost'} end
redis.call('ZADD', takers, now, taker)

if redis.call('LLEN', taken) == 0 then
  -- A job whose taker died is handed out alone: if it kills workers, it takes no other jobs with it, and it alone is to blame.
  if not redis.call('LMOVE', again, taken, 'RIGHT', 'RIGHT') then
    local bytes = 0
    for _ = 1, tonumber(most) do
      local job = redis.call('LMOVE', inbox, taken, 'RIGHT', 'RIGHT')
      if not job then break end
      bytes = bytes + #job
      if bytes > tonumber(most_bytes) then break end
    end
  end
end
local response = redis.call('LRANGE', taken, 0, -1)
table.insert(response, 1, #response > 0 and count_deaths(redis.call('HGET', lost, redis.sha1hex(response[1])) or '') or 0)
return response
