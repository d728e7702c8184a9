-- Put an order that the ledger took for delivered (or dead) onto its lane again, because somebody looked into the target.
--
-- KEYS  1 lane  2 due  3 dead
-- ARGV  1 prefix of order records  2 prefix of payloads  3 prefix of stories  4 key  5 reference  6 fingerprint  7 version
--       8 payload  9 "create" (it is not there: ask, then create) or "update" (it is there, and not as it should be)
--       10 the target's id  11 12 13 state, fingerprint and time of delivery that the ledger had when the target was looked at
--       14 who looked
-- Returns "queued", or "moved" if anything became of it since it was looked at.
-- Repeated: it is queued already, "moved".

-- include archive.lua

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
local key, version = ARGV[4], ARGV[7]
local record = ARGV[1] .. key
local known = redis.call('HMGET', record, 'state', 'fingerprint', 'done', 'version')
local archived = not known[1] and read_archived(ARGV[1], key)
if archived then known = {archived.state, archived.fingerprint, archived.done, archived.version} end
for i = 1, 3 do
  if (known[i] or '') ~= ARGV[10 + i] then return 'moved' end
end
local state = known[1] or ''
if state ~= '' and state ~= 'delivered' and state ~= 'dead' then return 'moved' end
if archived then unarchive(ARGV[1], key, archived, ARGV[3]) end

local was = redis.call('HMGET', record, 'uncertain', 'code')
redis.call('HDEL', record, 'tries', 'lost', 'code', 'detail', 'fields', 'step', 'tried', 'drain', 'uncertain', 'again', 'bulk')
-- What ended its workers goes alone.
if was[2] == 'poison' then redis.call('HSET', record, 'lost', '2') end
if ARGV[9] == 'update' then
  redis.call('HSET', record, 'done', known[3] or stamp, 'target_id', ARGV[10])
else
  redis.call('HDEL', record, 'done', 'target_id', 'sent')
  -- What may have been sent stays so: not every target shows at once what it has.
  redis.call('HSET', record, 'uncertain', was[1] == '1' and '1' or 'ask')
end
redis.call('HSET', record, 'state', 'queued', 'reference', ARGV[5], 'fingerprint', ARGV[6])
redis.call('HSETNX', record, 'seen', stamp)
-- A single reading may not know its version: the one that is known stays.
local old = known[4] or ''
if #version > #old or (#version == #old and version > old) then redis.call('HSET', record, 'version', version) end
redis.call('SET', ARGV[2] .. key, ARGV[8])
redis.call('PERSIST', ARGV[3] .. key)
redis.call('RPUSH', ARGV[3] .. key,
  stamp .. ' queued again by ' .. ARGV[14] .. (ARGV[9] == 'update' and ': not the same there' or ': not there'))
redis.call('ZREM', KEYS[3], key)
redis.call('ZADD', KEYS[2], now, key)
redis.call('HINCRBY', KEYS[1], 'resent', 1)
return 'queued'
