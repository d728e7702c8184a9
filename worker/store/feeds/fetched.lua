#!lua flags=allow-oom
-- Record the outcome of a fetch; if a hint came meanwhile, the order stays due.

local due, tries, places, receipts = unpack(KEYS)
local external_id, score, outcome, delay_ms, place, receipt_count = unpack(ARGV)
-- score is the one with which the order was handed out. outcome is "done", "again" or "wait". place is where an
-- interrupted search continues, or empty. receipt_count is the number
-- of receipts that were left for this order (see receipts.py).
--
-- Returns 1, or 0 if the order was handed out or hinted again since, or Redis forgot what was written for it: it is fetched again.
-- If repeated: the score has changed, 0.

if redis.call('ZSCORE', due, external_id) ~= score then return 0 end
if outcome == 'done' then
  local left = redis.call('SCARD', receipts)
  redis.call('DEL', receipts)
  if left < tonumber(receipt_count) then return 0 end
  redis.call('ZREM', due, external_id)
  redis.call('HDEL', tries, external_id)
  redis.call('HDEL', places, external_id)
  return 1
end
-- include ledger_time.lua
local time = ledger_time()
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
if place ~= '' then redis.call('HSET', places, external_id, now .. ' ' .. place) else redis.call('HDEL', places, external_id) end
if outcome == 'again' then redis.call('HINCRBY', tries, external_id, 1) end
redis.call('ZADD', due, string.format('%.0f', now + tonumber(delay_ms)), external_id)
return 1
