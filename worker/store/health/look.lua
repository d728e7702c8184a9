#!lua flags=no-writes
-- Count what is on one lane, for monitoring; nothing is changed, and no order is named.

local lane, due, drains, dead, doubt, held, took = unpack(KEYS)
local claims_prefix, record_prefix, recent_ms, look = unpack(ARGV)
-- took holds the histogram of delivery times. A death counts as recent for recent_ms. look is the number of orders to read at each end of the lane.
--
-- Returns {the lane's fields, queued, due, bulk, in flight, drains, dead, died recently, in doubt, held, ms since the oldest undelivered order was accepted
-- (0: there is none), age in ms of the oldest order in doubt, of the oldest held order, ms for which the first order has been due, the fields of took}.

local BULK_OFFSET = 1125899906842624 -- see accept.lua

-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local in_flight = 0
local members = redis.call('ZRANGE', drains, 0, -1)
for _, drain in ipairs(members) do in_flight = in_flight + redis.call('SCARD', claims_prefix .. drain) end

-- A retry moves an order back, so the oldest order is near the front or near the end.
local oldest = 0
for _, range in ipairs({{0, look - 1}, {-look, -1}}) do
  for _, key in ipairs(redis.call('ZRANGE', due, range[1], range[2])) do
    local known = redis.call('HMGET', record_prefix .. key, 'seen', 'done')
    -- An order that was delivered before waits for a change: only its score tells since when.
    local since = not known[2] and known[1] or redis.call('ZSCORE', due, key) % BULK_OFFSET
    oldest = math.max(oldest, now - since)
  end
end

local function age(set)
  local first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
  return first[2] and math.max(0, now - first[2]) or 0
end

return {redis.call('HGETALL', lane), redis.call('ZCARD', due), redis.call('ZCOUNT', due, '-inf', now),
  redis.call('ZCOUNT', due, BULK_OFFSET, '+inf'), in_flight, #members,
  redis.call('ZCARD', dead), redis.call('ZCOUNT', dead, now - recent_ms, '+inf'), redis.call('ZCARD', doubt), redis.call('ZCARD', held),
  oldest, age(doubt), age(held), age(due), redis.call('HGETALL', took)}
