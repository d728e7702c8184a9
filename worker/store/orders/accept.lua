-- Write orders into the ledger and onto one lane, once per (target, order key, fingerprint).

local lane, due, drains, dead, held, waiting, wake, cursor, epoch, era, receipts = unpack(KEYS)
local record_prefix, payload_prefix, history_prefix, lease_ms, source, ask_first, dedupes, on_change, updates, full, receipt = unpack(ARGV, 1, 11)
-- Then for each order: key, reference, fingerprint, version, payload, left_out, stop, heir, hold_reason, before_start, former, placed, shared, correction
--
-- waiting exists while a drain waits for orders; pushing to wake wakes it. cursor is that of the orders' provider. epoch is when this ledger began.
-- ask_first says when to ask the target before creating: "never", "always", or "new": while the ledger is new (it was lost: no walk has ended), and for an order
-- that was placed (Unix ms) before the ledger began. A target that refuses duplicates (dedupes is 1) is asked only in an era that is not the first (era.lua).
-- on_change says what becomes of a change after delivery: "update", "hold" or "ignore"; "update" is "ignore" if the target cannot change orders (updates is
-- 0), except for an order that stops, or goes on after a stop: a person must know of it. left_out is why no route wants the order, or empty. stop is why the
-- order is not to be shipped ("cancelled at the source"), or empty. heir is the key of the order that has the goods of a combined order now, or empty. hold_reason is a code and
-- a reason ("transform ...") if the order is held instead of sent, or empty. before_start says that the order was placed before the start of its provider,
-- or is empty: such an order is left out unless a backfill requested it, as its record keeps in 'requested'. former are further references, as JSON, under
-- which the target may have the order if this ledger does not know it: it is asked for them first, even a target that refuses duplicates. A known order keeps
-- the reference that it has. shared says which other orders could have the reference (owner.lua); the second order of a reference is held.
--
-- correction is '' unless a person corrected the order (correction.lua): then it is JSON with the version of the corrections that the fingerprint contains
-- ("seen"), the fingerprint without them ("source"), the corrections that remain ("text", as they are kept) and an event for the history ("event").
--
-- What the newest version says holds, wanted or left out: it is kept with the record, or, where there is none, as a tombstone (tombstone.lua).
--
-- full is 1 for a Redis that is full: then the result is "full", and nothing is written, for an order that is not known, and for a change that needs room: one
-- that is sent after the payload was deleted. A cancellation is taken, and so is a newer version of an order that waits.
--
-- Returns {live drains, counting one that was woken, the result of each order, the orders on the lane}. A result is new, unwanted, asked, same, stale,
-- replaced, revived, withdrawn, updating, held, changed or full. An order that is left out is "asked" if the target may have it: it is searched there, and never
-- created. Or it is "corrected" (a person corrected the order, and the source says something new) or "uncorrected" (the corrections were undone): then nothing was
-- written, and it has to be accepted again, with the corrections as they are.
-- Orders from a backfill are bulk work: a constant offset puts their scores after all others; the record keeps it as 'bulk'.
-- If repeated: every fingerprint is known, so it returns "same" and changes nothing.

-- include archive.lua
-- include day.lua

local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
local results, counts = {}, {}
local BULK_OFFSET = 1125899906842624 -- 2^50, as in worker/store/redis/keys.py
local bulk = string.match(source, '^%a*') == 'backfill'
local pushed = string.match(source, '^%a*') == 'push'
-- include era.lua

-- Decided here and not by the caller: Redis can be lost between the caller's question and this script.
local since = enter_era()
local began = tonumber(redis.call('GET', epoch))
-- A producer is never walked: what it pushes again, it pushes within a day. A walk that ended in the millisecond in which the era began was one of the former era.
local walked = redis.call('HGET', cursor, 'walked')
local unwalked = (not walked or tonumber(walked) <= (since or 0)) and (now - began < 86400000 or redis.call('EXISTS', cursor) == 1)

-- Return whether a ledger before this one may have had the order. A source's clock may be an hour ahead, or set back by one.
local function may_be_known(placed) return unwalked or tonumber(placed) < began + 3600000 end

-- Return whether the target has to be asked for an order that this ledger does not know.
local function must_ask(placed)
  if ask_first == 'always' and dedupes == '0' then return true end
  return ask_first ~= 'never' and (dedupes == '0' or since) and may_be_known(placed)
end

-- include log.lua
-- include tombstone.lua
-- include ties.lua
-- include owner.lua
-- include combine.lua
-- include withdraw.lua

-- Put the order onto the lane, in the class of this source.
local function add_to_lane(key, record)
  if bulk then redis.call('HSET', record, 'bulk', string.format('%.0f', BULK_OFFSET)) else redis.call('HDEL', record, 'bulk') end
  redis.call('ZADD', due, now + (bulk and BULK_OFFSET or 0), key)
end

-- Move the order from bulk work to the fresh orders.
local function make_fresh(key, record)
  redis.call('HDEL', record, 'bulk')
  local at = redis.call('ZSCORE', due, key)
  if at and tonumber(at) >= BULK_OFFSET then redis.call('ZADD', due, at - BULK_OFFSET, key) end
end

local function queue(key, record)
  redis.call('ZREM', dead, key)
  redis.call('ZREM', held, key)
  redis.call('HSET', record, 'state', 'queued')
  redis.call('HDEL', record, 'tries', 'lost', 'died', 'code', 'detail', 'fields')
  add_to_lane(key, record)
end

local function hold(key, record, code, detail)
  redis.call('ZREM', due, key)
  redis.call('ZREM', dead, key)
  redis.call('HSET', record, 'state', 'held', 'code', code, 'detail', detail)
  redis.call('ZADD', held, now, key)
  log(key, 'held ' .. code .. ' ' .. detail)
  tally(now, key, 'held ' .. code)
  return 'held'
end

-- Hold the order for `hold_reason`. One that is sent at this moment, or may have been sent, is held as soon as that is settled (settle.lua).
local function hold_for(key, record, state, uncertain, hold_reason)
  if state == 'claimed' or state == 'in_doubt' or uncertain == '1' then
    redis.call('HSET', record, 'hold', hold_reason)
    return 'replaced'
  end
  return hold(key, record, string.match(hold_reason, '^(%S+) (.*)$'))
end

-- Note that the goods of the order are in `heir` now. The order that it was the heir of has the same heir.
local function bequeath(key, heir)
  local carries = on_change == 'hold' or (on_change == 'update' and updates == '1')
  local entry = (carries and '1' or '0') .. heir
  local entries = redis.call('HGETALL', combined)
  for i = 2, #entries, 2 do
    if string.sub(entries[i], 2) == key then redis.call('HSET', combined, entries[i - 1], entry) end
  end
  redis.call('HSET', combined, key, entry)
end

local function note_correction(key, correction)
  local event = correction and keep_correction(record_prefix, key, correction) or ''
  if event ~= '' then log(key, event) end
end

-- Handle a change of an order that the target already has.
local function change_delivered(key, record, state, payload, change, stop, hold_reason)
  local what = stop ~= '' and ': ' .. stop or ''
  if change == 'ignore' then
    log(key, 'changed after delivery' .. what .. (stop ~= '' and ', not carried out: on_change is ignore' or ''))
    if state == 'delivered' then
      archive(record_prefix, key, payload_prefix, history_prefix)
    else
      redis.call('SET', payload_prefix .. key, payload) -- for whatever it waits
    end
    return 'changed'
  end
  log(key, 'changed after delivery' .. what)
  redis.call('SET', payload_prefix .. key, payload)
  redis.call('PERSIST', history_prefix .. key)
  if hold_reason ~= '' then return hold_for(key, record, state, false, hold_reason) end
  if state == 'queued' or state == 'claimed' then return 'replaced' end
  if change == 'hold' then return hold(key, record, 'changed', 'after delivery' .. what) end
  queue(key, record)
  return 'updating'
end

-- Handle a change of an order that the target may not have, and that no route wants any more.
local function leave_out(key, record, state, payload, may_exist, reason)
  if state == 'discarded' then return 'unwanted' end
  if state == 'withdrawn' and not may_exist then
    archive(record_prefix, key, payload_prefix, history_prefix)
    return 'unwanted'
  end
  log(key, 'changed before delivery: ' .. reason)
  if not may_exist and state ~= 'claimed' and state ~= 'in_doubt' then return withdraw(key, record, reason) end
  redis.call('HSET', record, 'left_out', reason)
  redis.call('SET', payload_prefix .. key, payload)
  redis.call('PERSIST', history_prefix .. key)
  if state ~= 'held' and state ~= 'dead' and state ~= 'withdrawn' then return 'replaced' end
  redis.call('ZREM', dead, key)
  redis.call('ZREM', held, key)
  redis.call('HSET', record, 'state', 'queued') -- still a suspect, if it lost its workers
  add_to_lane(key, record)
  return 'asked'
end

-- Hold an order whose reference another order has. The reason stays with it as `hold`, so that it is never sent under this reference.
local function hold_for_owner(key, record, reference, owner)
  local detail = string.format('its reference %s is that of %s: %s would count as that order', reference, owner, key)
  redis.call('HSET', record, 'hold', 'reference ' .. detail)
  return hold(key, record, 'reference', detail)
end

-- Write an order that this ledger does not know.
local function add(key, reference, fingerprint, version, payload, left_out, stop, heir, hold_reason, before_start, former, placed, shared)
  if is_outdated(key, version) then return 'stale' end
  if before_start ~= '' and not bulk then
    if left_out ~= '' then bury_version(key, version) end
    return 'unwanted'
  end
  -- A ledger before this one may have delivered it, before it was cancelled.
  local search = left_out ~= '' and stop ~= '' and reference ~= '' and ask_first ~= 'never' and unwalked
  local heir_is_known = heir ~= '' and (redis.call('EXISTS', record_prefix .. heir) == 1 or read_archived(record_prefix, heir))
  if left_out ~= '' and not search and not heir_is_known then
    bury_version(key, version)
    return 'unwanted'
  end
  local record = record_prefix .. key
  redis.call('HSET', record, 'state', 'queued', 'reference', reference, 'fingerprint', fingerprint, 'version', version, 'seen', stamp)
  log(key, 'accepted ' .. source)
  if heir ~= '' then bequeath(key, heir) end
  if stop ~= '' then redis.call('HSET', record, 'stop', stop) end
  if before_start ~= '' then redis.call('HSET', record, 'requested', '1') end
  if left_out ~= '' and not search then return withdraw(key, record, left_out) end
  local owner = other_owner(key, reference, shared)
  if owner then
    redis.call('SET', payload_prefix .. key, payload)
    tally(now, key, 'in')
    return hold_for_owner(key, record, reference, owner)
  end
  if search or former ~= '' or must_ask(placed) then redis.call('HSET', record, 'uncertain', 'ask') end
  if former ~= '' then redis.call('HSET', record, 'former', former) end
  if search then redis.call('HSET', record, 'left_out', left_out, 'change', on_change) end
  -- A target that refuses duplicates is not asked before a creation, but before the order is withdrawn.
  if dedupes == '1' and ask_first ~= 'never' and may_be_known(placed) then redis.call('HSET', record, 'may_exist', '1') end
  redis.call('SET', payload_prefix .. key, payload)
  if not search then tally(now, key, 'in') end
  if left_out == '' and hold_reason ~= '' then return hold_for(key, record, 'queued', false, hold_reason) end
  add_to_lane(key, record)
  return search and 'asked' or 'new'
end

local function accept(key, reference, fingerprint, version, payload, left_out, stop, heir, hold_reason, before_start, former, placed, shared, correction)
  local record = record_prefix .. key
  local known = redis.call('HMGET', record, 'state', 'fingerprint', 'version', 'done', 'uncertain', 'code', 'bulk', 'stop', 'step', 'left_out', 'requested',
    'may_exist', 'seen', 'corrected', 'ties')
  local archived = not known[1] and read_archived(record_prefix, key)
  if archived then known = {archived.state, archived.fingerprint, archived.version, archived.done, false, false, false, archived.stop, false, false,
    archived.requested, false, false, archived.corrected or false, archived.ties} end
  local state = known[1]
  if not state then
    if full == '1' then return 'full' end
    return add(key, reference, fingerprint, version, payload, left_out, stop, heir, hold_reason, before_start, former, placed, shared)
  end
  correction = correction ~= '' and cjson.decode(correction)
  if correction and not known[14] then return 'uncorrected' end
  if correction and version_of(read_correction(record_prefix, key)) ~= correction.seen then return 'corrected' end
  if known[14] and not correction then
    if fingerprint ~= known[14] then return 'corrected' end
    fingerprint = known[2] -- the source says what it said
  end
  if known[7] and not bulk then make_fresh(key, record) end
  local requested = before_start ~= '' and bulk
  if requested and not archived then redis.call('HSET', record, 'requested', '1') end
  if before_start ~= '' and not bulk and not known[11] and left_out == '' then left_out = before_start end
  local old = known[3]
  local older = is_older(version, old)
  -- The settings may have changed: what was left out may be wanted now, and the other way round.
  local was_left_out = state == 'withdrawn' or (known[10] or '') ~= ''
  local is_redecided = not older and not known[4] and state ~= 'discarded' and was_left_out ~= (left_out ~= '')
  -- It was never sent, so its reference may be another one now.
  local waits_for_owner = state == 'held' and known[6] == 'reference'
  local is_retold = waits_for_owner and not older and redis.call('HGET', record, 'reference') ~= reference
  -- An earlier era may have delivered it and forgotten that: from the record as it is now, or from a version that was forgotten as well.
  local was_withdrawn = state == 'withdrawn' and unwalked and stop ~= ''
  local may_exist = known[12] or (since and (was_withdrawn or (state ~= 'withdrawn' and tonumber(known[13] or 0) < since)))
  local is_missed = was_withdrawn and may_exist and version ~= old
  if known[2] == fingerprint and not is_redecided and not is_retold and not is_missed then
    if not older and version ~= old then
      if archived then
        archived.version = version
        write_archived(record_prefix, key, archived)
      else
        redis.call('HSET', record, 'version', version)
      end
    end
    if correction and not older then
      if archived then unarchive(record_prefix, key, read_archived(record_prefix, key), history_prefix) end
      note_correction(key, correction)
      if archived then archive(record_prefix, key, payload_prefix, history_prefix) else redis.call('SET', payload_prefix .. key, payload, 'XX') end
    end
    return 'same'
  end
  if older then return 'stale' end
  if pushed and known[2] ~= fingerprint and is_replay(known[15], version, fingerprint) then return 'stale' end
  -- The customer asked to be forgotten. A change at the source may be exactly that, so it is not sent.
  if state == 'discarded' and known[6] == 'erased' then return 'unwanted' end
  local change = on_change
  if change == 'update' and updates == '0' and stop == '' and not known[8] then change = 'ignore' end
  local needs_room = left_out == '' and not (known[4] and change == 'ignore') and redis.call('EXISTS', payload_prefix .. key) == 0
  if full == '1' and stop == '' and needs_room then return 'full' end
  if archived then unarchive(record_prefix, key, archived, history_prefix) end
  redis.call('HSET', record, 'fingerprint', fingerprint, 'version', version, 'change', change)
  note_tie(record, known[15], old, known[2], version, fingerprint)
  redis.call('HDEL', record, 'hold')
  note_correction(key, correction)
  if requested then redis.call('HSET', record, 'requested', '1') end
  if stop ~= '' then redis.call('HSET', record, 'stop', stop) elseif known[8] then redis.call('HDEL', record, 'stop') end
  if heir ~= '' and not (known[4] and change == 'ignore') then bequeath(key, heir) end
  if known[4] then return change_delivered(key, record, state, payload, change, stop, hold_reason) end
  if left_out ~= '' then
    if may_exist then redis.call('HSETNX', record, 'uncertain', 'ask') end
    return leave_out(key, record, state, payload, known[5] or known[9] or may_exist, left_out)
  end
  redis.call('SET', payload_prefix .. key, payload)
  redis.call('PERSIST', history_prefix .. key)
  redis.call('HDEL', record, 'left_out')
  -- A former era may have sent it as it was: if it is found, the target does not have this version.
  if may_exist then redis.call('HSETNX', record, 'tried', known[2]) end
  log(key, 'changed before delivery')
  if waits_for_owner or state == 'withdrawn' then
    redis.call('HSET', record, 'reference', reference)
    -- An era that Redis forgot may have sent it under a former reference.
    if former ~= '' then redis.call('HSET', record, 'former', former, 'uncertain', known[5] or 'ask') else redis.call('HDEL', record, 'former') end
    local owner = other_owner(key, reference, shared)
    if owner then return hold_for_owner(key, record, reference, owner) end
  end
  if hold_reason ~= '' then return hold_for(key, record, state, known[5], hold_reason) end
  if state == 'queued' or state == 'claimed' or state == 'in_doubt' then return 'replaced' end
  -- The change may have fixed what was refused: the order gets all its tries again.
  queue(key, record)
  return 'revived'
end

for i = 12, #ARGV, 14 do
  local result = accept(unpack(ARGV, i, i + 13))
  results[#results + 1] = result
  if result ~= 'full' and result ~= 'corrected' and result ~= 'uncorrected' then counts[result] = (counts[result] or 0) + 1 end
end
for result, count in pairs(counts) do redis.call('HINCRBY', lane, 'accepted_' .. result, count) end
-- The first word of the source ("poll shop", "push shop", "hint shop") is what brought an order first.
if counts.new then redis.call('HINCRBY', lane, 'new_by_' .. string.match(source, '^%a*'), counts.new) end
local live = redis.call('ZCOUNT', drains, now - lease_ms, '+inf')
-- A drain that is busy with bulk work does not count: fresh orders do not wait for it.
if not bulk and redis.call('ZCOUNT', due, BULK_OFFSET, '+inf') > 0 then live = 0 end
-- Nor does one that waits for its calls to end: a drain that has nothing else to do is quicker.
if (counts.new or counts.asked or counts.revived or counts.updating) and redis.call('EXISTS', waiting) == 1 then
  if redis.call('LLEN', wake) == 0 then redis.call('LPUSH', wake, '1') end
  live = math.max(live, 1)
end
-- include receipt.lua
return {live, results, redis.call('ZCARD', due)}
