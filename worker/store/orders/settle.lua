#!lua flags=allow-oom
-- Record the outcomes of claimed orders; refuse a drain whose lease has ended.

local lane, due, drains, claims, dead, doubt, held = unpack(KEYS)
local drain, lease_ms, record_prefix, payload_prefix, history_prefix, max_tries, breaker = unpack(ARGV, 1, 7)
-- Then for each order: key, outcome, code, detail, delay_ms, uncertain, extra, fingerprint, place
--
-- claims are those of this drain. breaker is the number of failures in a row that opens the breaker. uncertain is 0 or 1. extra is the target's id, its field
-- errors as JSON, or the step to continue from. fingerprint is that of the content that was sent. place is where the call was interrupted: the call, and what its
-- adapter noted. An order whose creation is interrupted was searched for before, and is certainly not there.
-- Outcomes: delivered, existed, updated, cancelled, cancelled_alone, withdrawn, pending, retry, retry_uncounted, snooze, release, hold, bury, doubt. A
-- retry_uncounted is no failure of the lane: the target responded, or another order of the same call was counted. Of an order that is cancelled_alone,
-- what else changed was refused. The detail of withdrawn is why the present settings leave the order out, if the record does not. An order that is left
-- out and was certainly not sent is withdrawn instead of queued again.
--
-- Returns the state of each order now, or "refused".
-- If repeated: for an order that this drain has settled already, it returns the state.

-- include archive.lua
-- include day.lua

local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
local beat = redis.call('ZSCORE', drains, drain)
local live = beat and now - beat <= tonumber(lease_ms)
breaker = tonumber(breaker)

local function count(name) redis.call('HINCRBY', lane, name, 1) end

-- The target is available: the breaker closes.
local responded = false
local function note_response()
  if not responded then redis.call('HDEL', lane, 'failures', 'closed_until', 'closings', 'probe') end
  responded = true
end

-- include log.lua

-- include combine.lua
-- include withdraw.lua

-- Return why the order is not to be created, if it is certainly not in the target.
local function reason_to_withdraw(record)
  local known = redis.call('HMGET', record, 'left_out', 'done', 'uncertain', 'step')
  return known[1] and not known[2] and not known[3] and not known[4] and known[1]
end

local function finish(key, record, state, set, code, detail)
  redis.call('HSET', record, 'state', state, 'code', code, 'detail', detail)
  redis.call('ZADD', set, now, key)
  log(key, state .. ' ' .. code .. ' ' .. detail)
  count(state)
  tally(now, key, state .. ' ' .. code)
  return state
end

-- Queue the order again, or hold it if it was to be held while it was claimed (accept.lua). What may have been sent is settled first.
local function queue(key, record, delay_ms)
  local reason = reason_to_withdraw(record)
  if reason then return withdraw(key, record, reason) end
  local known = redis.call('HMGET', record, 'hold', 'uncertain', 'bulk', 'done')
  if known[1] and (known[4] or known[2] ~= '1') then
    redis.call('HDEL', record, 'hold')
    return finish(key, record, 'held', held, string.match(known[1], '^(%S+) (.*)$'))
  end
  redis.call('HSET', record, 'state', 'queued')
  redis.call('ZADD', due, now + delay_ms + (known[3] or 0), key) -- in its class
  return 'queued'
end

-- Return whether the order changed while it was claimed: the response to its former content settles nothing.
local function has_changed(record, fingerprint)
  return redis.call('HGET', record, 'fingerprint') ~= fingerprint
end

local function start_over(key, record)
  redis.call('HDEL', record, 'tries', 'lost', 'died', 'step', 'tried', 'code', 'detail', 'fields')
  return queue(key, record, 0)
end

-- Count the time from accept to delivery in a histogram: bounds in seconds, 'inf' for everything longer.
local function observe_duration(seen)
  local ms, bound = now - (seen or now), 'inf'
  for _, le in ipairs({1, 2, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400}) do if ms <= le * 1000 then bound = le break end end
  redis.call('HINCRBY', lane .. ':took', bound, 1)
  redis.call('HINCRBY', lane .. ':took', 'ms', ms)
end

-- Keep what is known, field by field, of what the target has. What existed, or was taken in before, may be older than what was tried now. An update whose
-- intention Redis forgot leaves nothing known.
local function remember(record, outcome, tried, has_step)
  if not tried and outcome == 'updated' then redis.call('HDEL', record, 'sent_fields') end
  if tried and outcome ~= 'existed' and not has_step then redis.call('HSET', record, 'sent_fields', tried) end
end

-- `known` are the fields that `settle` read.
local function deliver(key, record, outcome, target_id, fingerprint, known)
  local is_change = outcome == 'updated' or outcome == 'cancelled'
  if not is_change then observe_duration(known.seen) end
  remember(record, outcome, known.tried_fields, known.step)
  -- An order that is found although it is left out is there as it was before that.
  local changed = known.left_out or known.fingerprint ~= fingerprint
  redis.call('HSET', record, 'state', 'delivered', 'target_id', target_id, 'sent', fingerprint, 'done', stamp)
  redis.call('HDEL', record, 'tried_fields', 'left_out', 'drain', 'tries', 'lost', 'died', 'uncertain', 'step', 'tried', 'code', 'detail', 'fields', 'bulk')
  log(key, (is_change and outcome .. ' ' or 'delivered ') .. target_id .. (outcome == 'existed' and ' existed' or ''))
  count(outcome)
  if is_change then tally(now, key, outcome) else tally_out(now, key, known.seen) end
  note_response()
  if outcome == 'cancelled' then leave_target(key) end
  if changed then
    local known = redis.call('HMGET', record, 'change', 'stop')
    local what = known[2] and ': ' .. known[2] or ''
    log(key, 'changed since it was sent' .. what)
    note_live_id(record_prefix, key, target_id)
    if known[1] == 'update' then return queue(key, record, 0) end
    redis.call('HDEL', record, 'hold')
    if known[1] == 'hold' then return finish(key, record, 'held', held, 'changed', 'after delivery' .. what) end
    count('accepted_changed')
  end
  archive(record_prefix, key, payload_prefix, history_prefix)
  return 'delivered'
end

-- Count a failure; return whether the breaker was open before it. Every failure in a row counts: from `breaker` on the whole lane waits, and no order loses
-- a try. Only a failed probe closes it again, for longer each time: the other calls began before it closed, and say nothing new.
-- A failed call for many orders is one failure, and a response that does not settle an order is none.
-- What is misdirected costs a try only if another order succeeded since the last failure: otherwise the lane is at fault.
local function count_failure(record, outcome, code)
  local tolerated = code == 'misdirected' and 1 or breaker
  if outcome == 'retry_uncounted' then return tonumber(redis.call('HGET', lane, 'failures') or 0) > tolerated end
  local failures = redis.call('HINCRBY', lane, 'failures', 1)
  responded = false
  if failures == breaker or (failures > breaker and redis.call('HGET', lane, 'probe') == redis.call('HGET', record, 'drain')) then
    local wait = math.min(60000, 500 * 2 ^ math.min(redis.call('HINCRBY', lane, 'closings', 1), 10))
    redis.call('HSET', lane, 'closed_until', string.format('%.0f', now + wait))
  end
  return failures > tolerated
end

local function retry(key, record, outcome, code, detail, delay_ms)
  local tries = tonumber(redis.call('HGET', record, 'tries') or 0)
  if not count_failure(record, outcome, code) then tries = redis.call('HINCRBY', record, 'tries', 1) end
  if tries < tonumber(max_tries) or reason_to_withdraw(record) then
    log(key, 'retry ' .. tries .. ' ' .. code .. ' ' .. detail)
    count('retried')
    tally(now, key, 'retry ' .. code)
    return queue(key, record, delay_ms)
  end
  -- An update that may have succeeded is not in doubt: it can be sent again.
  local known = redis.call('HMGET', record, 'uncertain', 'done')
  if known[1] and not known[2] then return finish(key, record, 'in_doubt', doubt, code, detail) end
  return finish(key, record, 'dead', dead, code, detail)
end

local function settle(key, outcome, code, detail, delay_ms, uncertain, extra, fingerprint, place)
  local record = record_prefix .. key
  if not live or redis.call('SREM', claims, key) == 0 then
    local known = redis.call('HMGET', record, 'state', 'settled')
    local archived = not known[1] and read_archived(record_prefix, key)
    if archived then
      local _, _, settled = read_history(record_prefix, archived)
      known = {archived.state, settled}
    end
    if known[1] and known[2] == drain .. ' ' .. outcome then return known[1] end
    return 'refused'
  end
  redis.call('HSET', record, 'settled', drain .. ' ' .. outcome)
  if outcome == 'cancelled_alone' then
    redis.call('HDEL', record, 'tried_fields')
    outcome = 'cancelled'
  end
  local read = redis.call('HMGET', record, 'place', 'step', 'tried', 'seen', 'tried_fields', 'left_out', 'fingerprint')
  local known = {place = read[1], step = read[2], tried = read[3], seen = read[4], tried_fields = read[5], left_out = read[6], fingerprint = read[7]}
  if place ~= '' then
    redis.call('HSET', record, 'place', stamp .. ' ' .. place)
    if string.match(place, '^create ') then redis.call('HDEL', record, 'uncertain') end
  elseif known.place and outcome ~= 'release' then -- what was not attempted continues where it would have
    redis.call('HDEL', record, 'place')
  end
  if uncertain == '1' then redis.call('HSET', record, 'uncertain', '1') end
  -- An order that existed already, or was taken in before, has the content that was sent first.
  if outcome == 'existed' or known.step then fingerprint = known.tried or fingerprint end
  if outcome == 'delivered' or outcome == 'existed' or outcome == 'updated' or outcome == 'cancelled' then
    return deliver(key, record, outcome, extra, fingerprint, known)
  elseif outcome == 'pending' then
    note_response()
    if redis.call('HGET', record, 'step') ~= extra then
      redis.call('HSET', record, 'step', extra, 'tried', fingerprint)
      log(key, 'pending ' .. extra)
      count('pending')
    end
    return queue(key, record, tonumber(delay_ms))
  elseif outcome == 'retry' or outcome == 'retry_uncounted' then
    return retry(key, record, outcome, code, detail, tonumber(delay_ms))
  elseif outcome == 'snooze' then
    log(key, 'snoozed ' .. code .. ' ' .. delay_ms)
    count('snoozed')
    return queue(key, record, tonumber(delay_ms))
  elseif outcome == 'release' then
    log(key, 'released')
    return queue(key, record, 0)
  elseif outcome == 'withdrawn' then
    local reason = redis.call('HGET', record, 'left_out')
    if not reason and detail ~= '' and not has_changed(record, fingerprint) then
      reason = detail
      if redis.call('HEXISTS', record, 'may_exist') == 1 and redis.call('HSETNX', record, 'uncertain', 'ask') == 1 then
        redis.call('HSET', record, 'left_out', reason)
        return queue(key, record, 0) -- it is searched first: an older ledger may have created it
      end
    end
    redis.call('HDEL', record, 'uncertain', 'step', 'tried')
    if reason then return withdraw(key, record, reason) end
    return start_over(key, record) -- it is wanted again
  elseif outcome == 'doubt' then
    return finish(key, record, 'in_doubt', doubt, code, detail)
  elseif outcome == 'hold' then
    -- What an heir waits for may have ended meanwhile.
    local waits = code ~= 'combined' or find_blocker(key)
    if not waits or has_changed(record, fingerprint) or reason_to_withdraw(record) then return start_over(key, record) end
    redis.call('HDEL', record, 'hold')
    return finish(key, record, 'held', held, code, detail)
  end
  note_response() -- the target responded, so it is available
  redis.call('HDEL', record, 'uncertain') -- and it refused the order, so it does not have it
  if redis.call('HEXISTS', record, 'done') == 0 then redis.call('HDEL', record, 'sent_fields', 'tried_fields') end
  if has_changed(record, fingerprint) or redis.call('HEXISTS', record, 'left_out') == 1 then
    log(key, 'refused ' .. code .. ', and changed since it was sent')
    return start_over(key, record)
  end
  redis.call('HDEL', record, 'step', 'tried')
  if extra ~= '' then redis.call('HSET', record, 'fields', extra) end
  return finish(key, record, 'dead', dead, code, detail)
end

local states = {}
for i = 8, #ARGV, 9 do states[#states + 1] = settle(unpack(ARGV, i, i + 8)) end
return states
