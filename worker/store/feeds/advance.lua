#!lua flags=allow-oom
-- Move a cursor from the value it was read at; only for the poll that holds the lease.
--
-- KEYS  1 cursor  2 poll lease   ARGV  1 owner  2 value it was read at  3 new value  4 "more" or "end"  5 records on the page
-- Returns 1, or 0 if it was moved by another, or Redis was lost in between: what was accepted may be gone with it.
-- Repeated: the cursor is there already, 1.

if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local value = redis.call('HGET', KEYS[1], 'value') or ''
if value ~= ARGV[2] and value ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], 'value', ARGV[3], 'moved', now)
redis.call('HINCRBY', KEYS[1], 'records', ARGV[5])
if value ~= ARGV[3] then redis.call('HSET', KEYS[1], 'turned', now) end
redis.call('HDEL', KEYS[1], 'error', 'failures', 'missed', 'retry_at')
if ARGV[4] == 'end' then redis.call('HSET', KEYS[1], 'finished', now, 'walked', '1') else redis.call('HDEL', KEYS[1], 'finished') end
return 1
