#!lua flags=allow-oom
-- Note what is about to be sent, before it is sent, so that a lost response leaves no doubt about what the target may have.

local drains = unpack(KEYS)
local drain, lease_ms, record_prefix = unpack(ARGV, 1, 3)
-- Then for each order: key, sent_fields, tried_fields
--
-- sent_fields are the field fingerprints (schemas/changes.py) that the target has whether or not this is received;
-- tried_fields are those that it has once it confirms. Either is '' where nothing is known, or where the two are the same.
--
-- Returns 1, or 0 if the drain has lost its lease, and its orders with it: then nothing may be sent.
-- If repeated: notes the same.

-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local beat = redis.call('ZSCORE', drains, drain)
if not beat or now - beat > tonumber(lease_ms) then return 0 end

local function note(record, name, value)
  if value == '' then redis.call('HDEL', record, name) else redis.call('HSET', record, name, value) end
end

for i = 4, #ARGV, 3 do
  local key, sent_fields, tried_fields = unpack(ARGV, i, i + 2)
  note(record_prefix .. key, 'sent_fields', sent_fields)
  note(record_prefix .. key, 'tried_fields', tried_fields)
end
return 1
