#!lua flags=allow-oom
-- Remove personal data from orders of one target, and end those that were not delivered yet.

local lane, due, dead, doubt, held = unpack(KEYS)
local record_prefix, payload_prefix, history_prefix, keep_history_ms = unpack(ARGV, 1, 4)
-- Then for each order: key
--
-- Returns for each order "erased" (it ends here, and is never sent), "maybe" (the same, but it may have been sent already), "delivered" (the target has it;
-- a waiting change is dropped), "claimed" (it is being sent now: nothing was done), or "" (unknown).
-- The ledger keeps that the order existed, so that it is never created again, and the times and kinds of its events.
-- If repeated: returns the same and changes nothing.

-- include archive.lua

local time = ledger_time()
local stamp = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
-- Lines of these events hold names and ids only; other events keep their first word.
local plain = {accepted = true, claimed = true, delivered = true, updated = true, erased = true}

local function redact(key)
  local history = history_prefix .. key
  local lines = redis.call('LRANGE', history, 0, -1)
  redis.call('DEL', history)
  for _, line in ipairs(lines) do
    local word = string.match(line, '^%d+ (%S+)')
    redis.call('RPUSH', history, plain[word] and line or string.match(line, '^%d+ %S+') or stamp)
  end
  redis.call('RPUSH', history, stamp .. ' erased by hand')
end

local function erase(key)
  local record = record_prefix .. key
  local known = redis.call('HMGET', record, 'state', 'done', 'uncertain', 'code')
  if not known[1] then
    local archived = read_archived(record_prefix, key)
    if not archived then return '' end
    -- A guess of a person's name could be tested by them.
    archived.sent_fields = nil
    archived.ties = nil
    if archived.corrected then
      archived.fingerprint, archived.corrected = archived.corrected, nil
      redis.call('DEL', correction_key(record_prefix, key))
      redis.call('ZREM', correction_index(record_prefix), key)
    end
    if archived.done then
      write_archived(record_prefix, key, archived)
      return 'delivered'
    end
    unarchive(record_prefix, key, archived, history_prefix) -- it was withdrawn
    known = {archived.state, false, false, false}
  end
  if known[1] == 'claimed' then return 'claimed' end
  local may_exist = known[3] == '1' or known[1] == 'in_doubt'
  local result = known[2] and 'delivered' or may_exist and 'maybe' or 'erased'
  if known[4] == 'erased' then return result end
  for _, set in ipairs({due, dead, doubt, held}) do redis.call('ZREM', set, key) end
  redis.call('DEL', payload_prefix .. key)
  forget_correction(record_prefix, key)
  redis.call('HDEL', record, 'tries', 'lost', 'died', 'code', 'detail', 'fields', 'step', 'tried', 'again', 'sent_fields', 'tried_fields', 'ties')
  redact(key)
  redis.call('HINCRBY', lane, 'erased', 1)
  if known[2] then
    redis.call('HSET', record, 'state', 'delivered')
    redis.call('HDEL', record, 'uncertain')
    archive(record_prefix, key, payload_prefix, history_prefix)
    return result
  end
  if may_exist then redis.call('HSET', record, 'uncertain', '1') end
  redis.call('HSET', record, 'state', 'discarded', 'code', 'erased')
  redis.call('PEXPIRE', history_prefix .. key, keep_history_ms)
  return result
end

local results = {}
for i = 5, #ARGV do results[#results + 1] = erase(ARGV[i]) end
return results
