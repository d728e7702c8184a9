#!lua flags=no-writes
-- Count what stands on one lane, for whoever watches; nothing is changed, and no order is named.
--
-- KEYS  1 lane  2 due  3 drains  4 dead  5 doubt  6 held  7 how long deliveries took
-- ARGV  1 prefix of claims  2 prefix of order records  3 ms that a death is news  4 orders to look at, at each end of the lane
-- Returns {lane's fields, queued, due, in flight, drains, dead, died lately, in doubt, held, ms the oldest order waits for its delivery (0: none waits),
-- ms the oldest doubt is, ms the oldest held order is, how long deliveries took (fields)}.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local flight = 0
local drains = redis.call('ZRANGE', KEYS[3], 0, -1)
for _, drain in ipairs(drains) do flight = flight + redis.call('SCARD', ARGV[1] .. drain) end

-- A retry puts an order further back: the longest waiting are those in front, or those at the end.
local oldest = 0
for _, from in ipairs({{0, ARGV[4] - 1}, {-ARGV[4], -1}}) do
  for _, key in ipairs(redis.call('ZRANGE', KEYS[2], from[1], from[2])) do
    local known = redis.call('HMGET', ARGV[2] .. key, 'seen', 'done')
    -- One that is there already waits for a change of it: since when, only its place says.
    local since = not known[2] and known[1] or redis.call('ZSCORE', KEYS[2], key)
    oldest = math.max(oldest, now - since)
  end
end

local function age(set)
  local first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
  return first[2] and math.max(0, now - first[2]) or 0
end

return {redis.call('HGETALL', KEYS[1]), redis.call('ZCARD', KEYS[2]), redis.call('ZCOUNT', KEYS[2], '-inf', now), flight, #drains,
  redis.call('ZCARD', KEYS[4]), redis.call('ZCOUNT', KEYS[4], now - ARGV[3], '+inf'), redis.call('ZCARD', KEYS[5]), redis.call('ZCARD', KEYS[6]),
  oldest, age(KEYS[5]), age(KEYS[6]), redis.call('HGETALL', KEYS[7])}
