#!lua flags=no-writes
-- Count the orders of one lane; nothing is changed, and no order is named.
--
-- KEYS  1 lane  2 due  3 drains  4 dead  5 doubt  6 held  7 how long deliveries took
-- ARGV  1 prefix of claims  2 prefix of order records  3 ms for which a dead order counts as recent
--       4 orders to read at each end of the lane
-- Returns {lane's fields, queued, due, bulk, in flight, drains, dead, died lately, in doubt, held, ms since the oldest undelivered
-- order was accepted (0: there is none), age of the oldest doubt in ms, of the oldest held order, ms for which the first order has
-- been due, how long deliveries took (fields)}.

local BULK_OFFSET = 1125899906842624 -- see accept.lua
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local flight = 0
local drains = redis.call('ZRANGE', KEYS[3], 0, -1)
for _, drain in ipairs(drains) do flight = flight + redis.call('SCARD', ARGV[1] .. drain) end

-- A retry moves an order back in the lane, so the oldest one is among the first or among the last.
local oldest = 0
for _, from in ipairs({{0, ARGV[4] - 1}, {-ARGV[4], -1}}) do
  for _, key in ipairs(redis.call('ZRANGE', KEYS[2], from[1], from[2])) do
    local known = redis.call('HMGET', ARGV[2] .. key, 'seen', 'done')
    -- A delivered order waits for a change of it: only its place in the lane says since when.
    local since = not known[2] and known[1] or redis.call('ZSCORE', KEYS[2], key) % BULK_OFFSET
    oldest = math.max(oldest, now - since)
  end
end

local function age(set)
  local first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
  return first[2] and math.max(0, now - first[2]) or 0
end

return {redis.call('HGETALL', KEYS[1]), redis.call('ZCARD', KEYS[2]), redis.call('ZCOUNT', KEYS[2], '-inf', now),
  redis.call('ZCOUNT', KEYS[2], BULK_OFFSET, '+inf'), flight, #drains,
  redis.call('ZCARD', KEYS[4]), redis.call('ZCOUNT', KEYS[4], now - ARGV[3], '+inf'), redis.call('ZCARD', KEYS[5]), redis.call('ZCARD', KEYS[6]),
  oldest, age(KEYS[5]), age(KEYS[6]), age(KEYS[2]), redis.call('HGETALL', KEYS[7])}
