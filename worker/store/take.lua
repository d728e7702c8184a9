#!lua flags=allow-oom
-- Hand jobs of the inbox to one taker, which holds them until it is done with them or its lease ends.

local inbox, takers, taken, again, lost = unpack(KEYS)
local taker, most, most_bytes, lease_ms = unpack(ARGV)
-- taken holds the jobs of this taker, again the jobs that lost their taker, lost how often each did.
--
-- Returns {"lost"}, or {how often the first job lost its taker, job...}, oldest first.
-- If repeated: a taker is done with all its jobs before it takes again, so jobs that it still holds are the response that was lost.

-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local beat = redis.call('ZSCORE', takers, taker)
if beat and now - beat > tonumber(lease_ms) then return {'lost'} end
redis.call('ZADD', takers, now, taker)

if redis.call('LLEN', taken) == 0 then
  -- A job that lost its taker is handed out alone: if it kills workers, it takes no other jobs with it.
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
local times_lost = #response > 0 and redis.call('HGET', lost, redis.sha1hex(response[1])) or 0
table.insert(response, 1, tonumber(times_lost))
return response
