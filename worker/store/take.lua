#!lua flags=allow-oom
-- Hand jobs of the inbox to one taker, which has them until it says "done" or its lease ends.
--
-- KEYS  1 inbox  2 takers  3 jobs of this taker  4 jobs that lost their taker  5 times lost, by job
-- ARGV  1 taker  2 most  3 most bytes  4 lease in ms
-- Returns {"lost"}, or {times the first job lost its taker, job...}, oldest first.
-- Repeated: a taker is done with all before it takes again, so jobs it still holds are the answer that was lost.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local beat = redis.call('ZSCORE', KEYS[2], ARGV[1])
if beat and now - beat > tonumber(ARGV[4]) then return {'lost'} end
redis.call('ZADD', KEYS[2], now, ARGV[1])

if redis.call('LLEN', KEYS[3]) == 0 then
  -- A job that lost its taker goes alone: if it kills workers, then not with innocent ones beside it.
  if not redis.call('LMOVE', KEYS[4], KEYS[3], 'RIGHT', 'RIGHT') then
    local bytes = 0
    for _ = 1, tonumber(ARGV[2]) do
      local job = redis.call('LMOVE', KEYS[1], KEYS[3], 'RIGHT', 'RIGHT')
      if not job then break end
      bytes = bytes + #job
      if bytes > tonumber(ARGV[3]) then break end
    end
  end
end
local answer = redis.call('LRANGE', KEYS[3], 0, -1)
local lost = #answer > 0 and redis.call('HGET', KEYS[5], redis.sha1hex(answer[1])) or 0
table.insert(answer, 1, tonumber(lost))
return answer
