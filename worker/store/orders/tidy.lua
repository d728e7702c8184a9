#!lua flags=allow-oom
-- Lay to rest what the release before left delivered, a few at a time.
--
-- KEYS  1 the ledger   ARGV  1 keys to look at  2 ms to wait before the first order may rest, if that was never noted
-- Returns the orders that were laid to rest, or -1 once all were looked at.
-- Repeated: goes on where it stopped; an order at rest is not found again. Its story keeps its list, and the time that this has left.

-- include rest.lua

local known = redis.call('HMGET', KEYS[1], 'rests', 'tidied')
if not known[1] then
  redis.call('HSET', KEYS[1], 'rests', string.format('%.0f', redis.call('TIME')[1] * 1000 + ARGV[2]))
  return 0
end
if known[2] == 'all' then return -1 end
if not may_rest() then return 0 end

local laid = 0
local found = redis.call('SCAN', known[2] or '0', 'MATCH', 'intake:order:*', 'COUNT', ARGV[1])
for _, record in ipairs(found[2]) do
  local prefix, key = string.match(record, '^(intake:order:[^:]+:)(.+)$')
  local it = redis.call('HMGET', record, 'version', 'fingerprint', 'done', 'target_id', 'reference', 'state')
  if it[6] == 'delivered' then
    put(prefix, key, {version = it[1], fingerprint = it[2], done = it[3], target_id = it[4], reference = it[5]})
    redis.call('DEL', record)
    laid = laid + 1
  end
end
redis.call('HSET', KEYS[1], 'tidied', found[1] == '0' and 'all' or found[1])
return laid
