#!lua flags=allow-oom
-- Write the corrections of one order; send it, if it is dead, or if its target holds it.

local lane, due, dead, held, index = unpack(KEYS)
local record_prefix, payload_prefix, history_prefix, key, seen, seen_fingerprint, seen_state, fingerprint, source, text, change, event,
  resend = unpack(ARGV)
-- seen is the version of the corrections that the person saw ('' for none), seen_fingerprint and seen_state are those of the order: an order that somebody else
-- discarded or sent meanwhile is not sent. fingerprint is that of the order with the new corrections, source that of what the source says. text are all
-- corrections, "<version> <JSON>", '' for none. change says what follows if the target turns out to have the order with its former content. event is for the
-- history. resend is 1 if an order that waits for a person is sent: 0 for a correction that is undone.
--
-- Returns "queued" (it is sent now), the state that it stays in, or "" if the order is unknown; "changed" if the order or its corrections changed since the person
-- saw them, "claimed" if it is being sent now: nothing was done.
-- If repeated: these corrections are there already, so it returns the state, and sends nothing twice.

-- include archive.lua

local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
local record = record_prefix .. key

-- include log.lua

local archived = read_archived(record_prefix, key)
local known = redis.call('HMGET', record, 'state', 'fingerprint', 'code', 'bulk', 'step')
if known[1] then archived = nil elseif archived then known = {archived.state, archived.fingerprint} end
local state, current = known[1], read_correction(record_prefix, key)
if not state then return '' end
if text ~= '' and current == text then return state end
if state == 'claimed' then return 'claimed' end
if version_of(current) ~= seen or known[2] ~= seen_fingerprint then return 'changed' end
if resend == '1' and state ~= seen_state then return 'changed' end

if archived then
  -- It is undone. The order counts as sent with the correction: what is read next of the source is an update. Until then 'corrected' fits nothing.
  unarchive(record_prefix, key, archived, history_prefix)
  write_correction(record_prefix, key, text, 'undone')
  log(key, event)
  archive(record_prefix, key, payload_prefix, history_prefix)
  return state
end
redis.call('HSET', record, 'fingerprint', fingerprint, 'change', change)
write_correction(record_prefix, key, text, source)
if text ~= '' then redis.call('ZADD', index, now, key) end
log(key, event)
local sends = resend == '1' and (state == 'dead' or state == 'queued' or (state == 'held' and known[3] == 'held'))
if not sends or known[5] then return state end
if known[3] == 'poison' then redis.call('HSET', record, 'lost', '2') else redis.call('HDEL', record, 'lost') end
redis.call('ZREM', dead, key)
redis.call('ZREM', held, key)
redis.call('HSET', record, 'state', 'queued')
redis.call('HDEL', record, 'tries', 'died', 'code', 'detail', 'fields', 'place')
redis.call('PERSIST', history_prefix .. key)
redis.call('ZADD', due, now + (known[4] or 0), key)
redis.call('HINCRBY', lane, 'corrected', 1)
return 'queued'
