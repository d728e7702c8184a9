#!lua flags=allow-oom
-- Move a cursor from the value at which the page was read; only the poll that holds the lease may.

local cursor, lease, receipts = unpack(KEYS)
local owner, seen, value, progress, records, receipt_count = unpack(ARGV)
-- seen is the value at which the page was read. progress is "more" or "end". records is the number of records on the page.
-- receipt_count is the number of receipts that this poll has left (see receipts.py).
--
-- Returns 1, or 0 if another poll moved the cursor, or Redis was lost, or forgot a write of this poll: the page is read again.
-- If repeated: the cursor has the new value already, 1.

if redis.call('GET', lease) ~= owner then return 0 end
-- include ledger_time.lua
local time = ledger_time()
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local current = redis.call('HGET', cursor, 'value') or ''
if current ~= seen and current ~= value then return 0 end
if redis.call('SCARD', receipts) < tonumber(receipt_count) then return 0 end
redis.call('HSET', cursor, 'value', value, 'moved', now)
redis.call('HINCRBY', cursor, 'records', records)
if current ~= value then redis.call('HSET', cursor, 'turned', now) end
redis.call('HDEL', cursor, 'error', 'failures', 'missed', 'retry_at')
if progress == 'end' then redis.call('HSET', cursor, 'finished', now, 'walked', now) else redis.call('HDEL', cursor, 'finished') end
return 1
