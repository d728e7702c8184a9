#!lua flags=allow-oom
-- Write down what became of claimed orders; refused to a drain whose lease has ended.
--
-- KEYS  1 lane  2 due  3 drains  4 claims of this drain  5 dead  6 doubt  7 held
-- ARGV  1 drain  2 lease in ms  3 prefix of order records  4 prefix of payloads  5 prefix of stories  6 most tries
--       7 failures that open the breaker  8 ms that a story is kept after delivery
--       then by order: key, outcome, code, detail, delay in ms, uncertain (0/1), extra (the target's id; its field errors as JSON; the step
--       to go on from), fingerprint sent
-- Outcomes: delivered, existed, updated, pending, retry, retry_uncounted (no failure of the lane: it answered, or one of the same call was counted), snooze, release, hold, bury, doubt.
-- Returns the state of each order now, or "refused".
-- Repeated: an order that this drain has settled already answers with its state.

-- include archive.lua
-- include day.lua

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
local drain = ARGV[1]
local beat = redis.call('ZSCORE', KEYS[3], drain)
local live = beat and now - beat <= tonumber(ARGV[2])
local trip = tonumber(ARGV[7])

local function count(name) redis.call('HINCRBY', KEYS[1], name, 1) end

-- An order that waits for days is told of by its latest events only.
local function tell(key, event)
  local story = ARGV[5] .. key
  if redis.call('RPUSH', story, stamp .. ' ' .. event) > 60 then redis.call('LTRIM', story, -60, -1) end
end

local function queue(key, record, delay)
  redis.call('HSET', record, 'state', 'queued')
  redis.call('ZADD', KEYS[2], now + delay + (redis.call('HGET', record, 'bulk') or 0), key) -- in its class
  return 'queued'
end

local function finish(key, record, state, set, code, detail)
  redis.call('HSET', record, 'state', state, 'code', code, 'detail', detail)
  redis.call('ZADD', set, now, key)
  tell(key, state .. ' ' .. code .. ' ' .. detail)
  count(state)
  tally(now, state .. ' ' .. code)
  return state
end

-- The order changed while it was under way: what was said of its former content settles nothing.
local function overtaken(record, fingerprint)
  return redis.call('HGET', record, 'fingerprint') ~= fingerprint
end

local function afresh(key, record)
  redis.call('HDEL', record, 'tries', 'lost', 'step', 'tried', 'code', 'detail', 'fields')
  return queue(key, record, 0)
end

-- A histogram of the time from accept to delivery, for whoever watches: bounds in seconds, the last one is all that took longer.
local function took(seen)
  local ms, bound = now - (seen or now), 'inf'
  for _, le in ipairs({1, 2, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400}) do if ms <= le * 1000 then bound = le break end end
  redis.call('HINCRBY', KEYS[1] .. ':took', bound, 1)
  redis.call('HINCRBY', KEYS[1] .. ':took', 'ms', ms)
end

local function delivered(key, record, outcome, target_id, fingerprint)
  if outcome ~= 'updated' then took(redis.call('HGET', record, 'seen')) end
  redis.call('HSET', record, 'state', 'delivered', 'target_id', target_id, 'sent', fingerprint, 'done', stamp)
  redis.call('HDEL', record, 'drain', 'tries', 'lost', 'uncertain', 'step', 'tried', 'code', 'detail', 'fields', 'bulk')
  tell(key, (outcome == 'updated' and 'updated ' or 'delivered ') .. target_id .. (outcome == 'existed' and ' existed' or ''))
  count(outcome)
  if outcome == 'updated' then tally(now, outcome) else tally_out(now, key, redis.call('HGET', record, 'seen')) end
  redis.call('HDEL', KEYS[1], 'failures', 'closed_until')
  if overtaken(record, fingerprint) then
    local change = redis.call('HGET', record, 'change')
    tell(key, 'changed since it was sent')
    if change == 'update' then return queue(key, record, 0) end
    if change == 'hold' then return finish(key, record, 'held', KEYS[7], 'changed', 'after delivery') end
    count('accepted_changed')
  end
  archive(ARGV[3], key, ARGV[4], ARGV[5])
  return 'delivered'
end

-- Every failure in a row counts; from `trip` on the whole lane waits, longer each time, and no order pays for it.
-- A call for many orders that failed is one failure, and an answer that does not settle an order is none.
local function breaker(outcome)
  if outcome == 'retry_uncounted' then return tonumber(redis.call('HGET', KEYS[1], 'failures') or 0) > trip end
  local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
  if failures < trip then return false end
  local wait = math.min(60000, 1000 * 2 ^ math.min(failures - trip, 10))
  redis.call('HSET', KEYS[1], 'closed_until', string.format('%.0f', now + wait))
  return failures > trip
end

local function retry(key, record, outcome, code, detail, delay)
  local tries = tonumber(redis.call('HGET', record, 'tries') or 0)
  if not breaker(outcome) then tries = redis.call('HINCRBY', record, 'tries', 1) end
  if tries < tonumber(ARGV[6]) then
    tell(key, 'retry ' .. tries .. ' ' .. code .. ' ' .. detail)
    count('retried')
    tally(now, 'retry ' .. code)
    return queue(key, record, delay)
  end
  -- A change that may have got through is not in doubt: it can be sent again.
  local known = redis.call('HMGET', record, 'uncertain', 'done')
  if known[1] and not known[2] then return finish(key, record, 'in_doubt', KEYS[6], code, detail) end
  return finish(key, record, 'dead', KEYS[5], code, detail)
end

local function settle(key, outcome, code, detail, delay, uncertain, extra, fingerprint)
  local record = ARGV[3] .. key
  if not live or redis.call('SREM', KEYS[4], key) == 0 then
    local known = redis.call('HMGET', record, 'state', 'settled')
    local archived = not known[1] and read_archived(ARGV[3], key)
    if archived then
      local _, _, settled = read_history(ARGV[3], archived)
      known = {archived.state, settled}
    end
    if known[1] and known[2] == drain .. ' ' .. outcome then return known[1] end
    return 'refused'
  end
  redis.call('HSET', record, 'settled', drain .. ' ' .. outcome)
  if uncertain == '1' then redis.call('HSET', record, 'uncertain', '1') end
  -- What is found there, or was taken in before, has the content that was sent first.
  if outcome == 'existed' or redis.call('HEXISTS', record, 'step') == 1 then
    fingerprint = redis.call('HGET', record, 'tried') or fingerprint
  end
  if outcome == 'delivered' or outcome == 'existed' or outcome == 'updated' then
    return delivered(key, record, outcome, extra, fingerprint)
  elseif outcome == 'pending' then
    redis.call('HDEL', KEYS[1], 'failures', 'closed_until')
    if redis.call('HGET', record, 'step') ~= extra then
      redis.call('HSET', record, 'step', extra, 'tried', fingerprint)
      tell(key, 'pending ' .. extra)
      count('pending')
    end
    return queue(key, record, tonumber(delay))
  elseif outcome == 'retry' or outcome == 'retry_uncounted' then
    return retry(key, record, outcome, code, detail, tonumber(delay))
  elseif outcome == 'snooze' then
    tell(key, 'snoozed ' .. code .. ' ' .. delay)
    count('snoozed')
    return queue(key, record, tonumber(delay))
  elseif outcome == 'release' then
    tell(key, 'released')
    return queue(key, record, 0)
  elseif outcome == 'doubt' then
    return finish(key, record, 'in_doubt', KEYS[6], code, detail)
  elseif outcome == 'hold' then
    if overtaken(record, fingerprint) then return afresh(key, record) end
    return finish(key, record, 'held', KEYS[7], code, detail)
  end
  redis.call('HDEL', KEYS[1], 'failures', 'closed_until') -- they answered: they are there
  redis.call('HDEL', record, 'uncertain') -- and have not got it
  if overtaken(record, fingerprint) then
    tell(key, 'refused ' .. code .. ', and changed since it was sent')
    return afresh(key, record)
  end
  redis.call('HDEL', record, 'step', 'tried')
  if extra ~= '' then redis.call('HSET', record, 'fields', extra) end
  return finish(key, record, 'dead', KEYS[5], code, detail)
end

local states = {}
for i = 9, #ARGV, 8 do
  states[#states + 1] = settle(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], ARGV[i + 6], ARGV[i + 7])
end
return states
