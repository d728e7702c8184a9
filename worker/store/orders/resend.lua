-- Queue an order again that the ledger took for delivered or dead, because somebody looked into the target.

local lane, due, dead = unpack(KEYS)
local record_prefix, payload_prefix, history_prefix, key, reference, fingerprint, version, payload, action, target_id, seen_state, seen_fingerprint, seen_done, source, sent_fields,
  correction = unpack(ARGV)
-- action is "create" (the target does not have the order: ask, then create) or "update" (the target has it as target_id, with other content). seen_state,
-- seen_fingerprint and seen_done are what the ledger had when the target was looked at. source is who looked. sent_fields are the field fingerprints
-- with which an update writes what is different, '' to write everything. correction is as in accept.lua.
--
-- Returns "queued", or "moved" if the order moved since it was looked at, or if the ledger has a newer version.
-- If repeated: the order is queued already, "moved".

-- include archive.lua
-- include older.lua

local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
local record = record_prefix .. key

-- include log.lua

local known = redis.call('HMGET', record, 'state', 'fingerprint', 'done', 'version')
local archived = not known[1] and read_archived(record_prefix, key)
if archived then known = {archived.state, archived.fingerprint, archived.done, archived.version} end
local state = known[1] or ''
if state ~= seen_state or (known[2] or '') ~= seen_fingerprint or (known[3] or '') ~= seen_done then return 'moved' end
if state ~= '' and state ~= 'delivered' and state ~= 'dead' then return 'moved' end
-- An order that is read singly may come without its version, "0": the known version stays.
local old = known[4] or ''
local is_newer = is_older(old, version)
if version ~= '0' and version ~= old and not is_newer then return 'moved' end
correction = correction ~= '' and cjson.decode(correction)
local corrected = archived and archived.corrected or redis.call('HGET', record, 'corrected')
if (corrected and true or false) ~= (correction and true or false) then return 'moved' end
if correction and version_of(read_correction(record_prefix, key)) ~= correction.seen then return 'moved' end
if archived then unarchive(record_prefix, key, archived, history_prefix) end

local was = redis.call('HMGET', record, 'uncertain', 'code')
redis.call('HDEL', record, 'tries', 'lost', 'died', 'code', 'detail', 'fields', 'step', 'tried', 'drain', 'uncertain', 'again', 'bulk', 'left_out')
-- A poison order is claimed alone.
if was[2] == 'poison' then redis.call('HSET', record, 'lost', '2') end
if action == 'update' then
  redis.call('HSET', record, 'done', known[3] or stamp, 'target_id', target_id, 'sent_fields', sent_fields)
  note_live_id(record_prefix, key, target_id)
else
  redis.call('HDEL', live_ids(record_prefix), redis.call('HGET', record, 'target_id') or '')
  redis.call('HDEL', record, 'done', 'target_id', 'sent', 'sent_fields')
  -- An order that may have been sent stays uncertain: not every target shows at once what it has.
  redis.call('HSET', record, 'uncertain', was[1] == '1' and '1' or 'ask')
end
redis.call('HSET', record, 'state', 'queued', 'reference', reference, 'fingerprint', fingerprint)
redis.call('HSETNX', record, 'seen', stamp)
if is_newer then redis.call('HSET', record, 'version', version) end
local event = correction and keep_correction(record_prefix, key, correction) or ''
if event ~= '' then log(key, event) end
redis.call('SET', payload_prefix .. key, payload)
redis.call('PERSIST', history_prefix .. key)
log(key, 'queued again by ' .. source .. (action == 'update' and ': not the same there' or ': not there'))
redis.call('ZREM', dead, key)
redis.call('ZADD', due, now, key)
redis.call('HINCRBY', lane, 'resent', 1)
return 'queued'
