#!lua flags=allow-oom
-- Hand out orders that are to be fetched; who does not come back within the lease is thought dead.
--
-- KEYS  1 due (order ids by time)  2 tries
-- ARGV  1 most  2 lease in ms
-- Returns {id, its score from now on, tries}...
-- Repeated: the orders whose answer was lost come again when the lease has ended.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local score = string.format('%.0f', now + tonumber(ARGV[2]))
local answer = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])) do
  redis.call('ZADD', KEYS[1], score, id)
  answer[#answer + 1] = {id, score, tonumber(redis.call('HGET', KEYS[2], id) or 0)}
end
return answer
