#!lua flags=allow-oom
-- Note under which of its references the target has an order, before that is settled.

local drains = unpack(KEYS)
local drain, lease_ms, record_prefix = unpack(ARGV, 1, 3)
-- Then for each order: key, reference
--
-- reference is the one by which the order was found: one of a former template of its route.
--
-- Returns 1, or 0 if the drain has lost its lease, and its orders with it.
-- If repeated: notes the same.

-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local beat = redis.call('ZSCORE', drains, drain)
if not beat or now - beat > tonumber(lease_ms) then return 0 end
for i = 4, #ARGV, 2 do
  local key, reference = unpack(ARGV, i, i + 1)
  redis.call('HSET', record_prefix .. key, 'reference', reference)
  redis.call('HDEL', record_prefix .. key, 'former')
end
return 1
