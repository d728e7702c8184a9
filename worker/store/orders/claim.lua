#!lua flags=allow-oom
-- Hand out due orders to one drain, no more than the limit allows in about one second.

local lane, due, drains, widths, claims, scope, epoch, era = unpack(KEYS)
local drain, number, most, in_hand, width, needed, lease_ms, record_prefix, payload_prefix, history_prefix, claims_prefix, breaker, max_drains, concurrency,
  per_call, quarantine_ms = unpack(ARGV, 1, 16)
-- Then for each window: period_s, interval_us, ahead
-- claims are those of this drain; number is that of this claim among those of the drain; in_hand are the keys of its former claims that are not settled yet, as
-- JSON. width is how many calls the drain would make at once, needed how many of those it was granted before it needs for the orders in hand. widths holds what
-- each drain was granted, together no more than concurrency. scope is the rate limit with its windows (see windows.lua). epoch is when this ledger began.
-- breaker is the number of failures in a row that opens the breaker, per_call the number of orders in one call. For quarantine_ms a new ledger sends nothing.
--
-- Returns {'orders', how many calls the drain may make at once, {key, reference, fingerprint, tries, uncertain, step, target_id, is_update, payload, bulk, hold,
-- sent_fields, left_out, blocker, tried, requested, former, place, corrections}...}, or {reason, ms to wait}.
-- uncertain is '', 'ask' (the ledger is new, or the order was accepted in an era before this one, see era.lua), 'looked' (a person looked, and did not find it)
-- or '1' (it may have been sent). target_id is set if
-- is_update is '1': the target has the order, and a change is to be sent. bulk is '1' for bulk work. hold is a code and a
-- reason if the order is to be held once it is certain that the target does not have it. sent_fields are the field fingerprints that the target has, in hex.
-- left_out is why the order is not to be created: it is searched only. blocker is a combined order whose goods this one has, and that has to leave the target
-- before this one is sent. requested is '1' if a backfill requested the order, though it was placed before the start of its provider.
-- tried is the fingerprint of the content that was sent first. former are further references under which the target may have an order that is uncertain,
-- as JSON, or empty. corrections are those of a person on top of payload (correction.lua). place is where an interrupted call continues, for ten minutes (see settle.lua).
-- A reason is lost, full, paused, closed, empty, or quarantine (closed, returned once: an older ledger may have sent orders that do not show yet).
-- A drain that gets nothing, and has nothing in hand, is removed in the same step, so that no order can arrive between "empty" and its leaving. One that has
-- orders in hand stays, and leaves to the others the calls that it does not make.
-- Bulk work (from a backfill) is handed out only if nothing else is due, and never to all drains at once; a lane with one drain gets it one call at a time.
-- If repeated: claims of this number are the response that was lost. Claims of an earlier number that the drain does not have in hand were settled, and Redis
-- forgot it: they are uncertain.

-- include ledger_time.lua
-- include correction.lua
local time = ledger_time()
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local stamp = string.format('%.0f', now)
local BULK_OFFSET = 1125899906842624 -- see accept.lua
local KEEP_PLACE_MS = 600000
local MOST_AHEAD_MS = 2000
lease_ms = tonumber(lease_ms)

local windows = {}
for i = 17, #ARGV, 3 do windows[#windows + 1] = {unpack(ARGV, i, i + 2)} end

-- include log.lua
-- include blockers.lua
-- include windows.lua
-- include era.lua

-- Redis keeps bytes, and clients read texts.
local function hex(bytes) return (string.gsub(bytes, '.', function(byte) return string.format('%02x', string.byte(byte)) end)) end

local held, busy = {}, false
for _, key in ipairs(cjson.decode(in_hand)) do
  held[key], busy = true, true
end

local function leave(reason, wait)
  if busy then
    redis.call('HSET', widths, drain, needed)
  else
    redis.call('ZREM', drains, drain)
    redis.call('HDEL', widths, drain)
  end
  return {reason, math.max(0, math.ceil(wait))}
end

-- Return how many calls the other drains leave of the lane's concurrency.
local function free_calls()
  local free, granted = tonumber(concurrency), redis.call('HGETALL', widths)
  for i = 1, #granted, 2 do
    local beat_of = granted[i] ~= drain and redis.call('ZSCORE', drains, granted[i])
    if beat_of and now - beat_of <= lease_ms then
      free = free - granted[i + 1]
    elseif granted[i] ~= drain then
      redis.call('HDEL', widths, granted[i])
    end
  end
  return free
end

-- Return the host in the name of a drain, or in that of the holder of a claim.
local function host_of(name) return string.match(name, '^(.+)%-%d+%-%x+') end

local function is_suspect(key) return tonumber(redis.call('HGET', record_prefix .. key, 'lost') or 0) > 1 end

-- Return whether a drain remains for fresh orders if this one does bulk work.
local function is_spare()
  local free = math.max(1, max_drains - 1)
  for _, other in ipairs(redis.call('ZRANGE', drains, 0, -1)) do
    local claimed = other ~= drain and redis.call('SRANDMEMBER', claims_prefix .. other)
    if claimed and redis.call('HEXISTS', record_prefix .. claimed, 'bulk') == 1 then free = free - 1 end
  end
  return free > 0
end

local since = enter_era()
end_leases(since)
local beat = redis.call('ZSCORE', drains, drain)
if beat and now - beat > lease_ms then return {'lost', 0} end

if not beat and redis.call('ZCOUNT', drains, now - lease_ms, '+inf') >= tonumber(max_drains) then return {'full', 0} end
local free = free_calls()
if not beat and free < 1 then return {'full', 0} end

local keys, bulk_in_hand, is_probe = {}, 0, false
for _, key in ipairs(redis.call('SMEMBERS', claims)) do
  if not held[key] then
    keys[#keys + 1] = key
  elseif is_suspect(key) then
    return leave('empty', 0) -- it is alone
  else
    bulk_in_hand = bulk_in_hand + redis.call('HEXISTS', record_prefix .. key, 'bulk')
  end
end
if #keys == 0 then
  local state = redis.call('HMGET', lane, 'paused', 'closed_until', 'failures', 'closings', 'probe')
  if state[1] then return leave('paused', 0) end
  local open_at = tonumber(state[2] or 0)
  if now < open_at then return leave('closed', open_at - now) end

  most = tonumber(most)
  -- Without a limit of our own, orders are claimed only when the other side does not ask to wait.
  local opens, calls = admit(micros, micros + (#windows > 0 and 1000000 or 0))
  most = math.min(most, calls * per_call)
  if most < 1 then return leave('closed', (opens - micros) / 1000) end

  if tonumber(state[3] or 0) >= tonumber(breaker) then
    -- The breaker is half open: one order of one drain shows whether the target is back.
    most = 1
    if busy then return leave('closed', 1000) end
    for _, other in ipairs(redis.call('ZRANGE', drains, 0, -1)) do
      if other ~= drain and redis.call('SCARD', claims_prefix .. other) > 0 then return leave('closed', 1000) end
    end
    -- The last probe failed, and it may be its host that does not reach the target: the others go first.
    local again_at = open_at + math.min(MOST_AHEAD_MS, 250 * 2 ^ tonumber(state[4] or 0))
    if state[5] and host_of(state[5]) == host_of(drain) and now < again_at then return leave('closed', again_at - now) end
    is_probe = true
  end

  local function take(from, to, count)
    for _, key in ipairs(redis.call('ZRANGE', due, from, to, 'BYSCORE', 'LIMIT', 0, count)) do
      -- An order whose drain died twice is claimed alone: if it kills workers, it takes no other orders with it, and it alone is to blame.
      local suspect = is_suspect(key)
      if suspect and (#keys > 0 or busy) then break end
      keys[#keys + 1] = key
      if suspect then break end
    end
  end
  take('-inf', now, most)
  local most_bulk = math.min(most, per_call * (max_drains == '1' and 1 or 10) - bulk_in_hand)
  if #keys == 0 and most_bulk > 0 and is_spare() then take(BULK_OFFSET, BULK_OFFSET + now, most_bulk) end
  if #keys == 0 then return leave('empty', 0) end

  -- A drain of the previous ledger writes until its lease ends: asking the target before that is too early.
  if tonumber(quarantine_ms) > 0 then
    local wait = redis.call('GET', epoch) + quarantine_ms - now
    if wait > 0 then return leave(redis.call('HSETNX', lane, 'waited', stamp) == 1 and 'quarantine' or 'closed', wait) end
  end
end

redis.call('ZADD', drains, now, drain)
-- The calls that it needs for no order are left to another drain: the next order may wake that one. With one call it would not hear of the next order.
if #keys < tonumber(most) then width = math.min(width, math.max(needed + #keys, 2)) end
width = math.max(needed, math.min(width, free), 1)
redis.call('HSET', widths, drain, width)
local holder = drain .. ' ' .. number
if is_probe then redis.call('HSET', lane, 'probe', holder) end
local any_combined = redis.call('EXISTS', combined) == 1
local response = {'orders', width}
for _, key in ipairs(keys) do
  local record = record_prefix .. key
  if redis.call('SADD', claims, key) == 1 then
    redis.call('ZREM', due, key)
    redis.call('HSET', record, 'state', 'claimed', 'drain', holder)
    log(key, 'claimed ' .. drain)
  elseif redis.call('HGET', record, 'drain') ~= holder then
    redis.call('HSET', record, 'uncertain', '1', 'drain', holder)
    log(key, 'claimed again ' .. drain)
  end
  local known = redis.call('HMGET', record, 'reference', 'fingerprint', 'tries', 'uncertain', 'step', 'target_id', 'done', 'bulk', 'hold', 'sent_fields',
    'left_out', 'stop', 'tried', 'requested', 'former', 'seen', 'place', 'corrected')
  -- It may have been claimed and sent before, by a claim that was forgotten.
  if since and not known[4] and not known[7] and tonumber(known[16] or 0) < since then known[4] = 'ask' end
  -- An uncertain create leaves the content that was sent first, however often the order changes meanwhile.
  if not known[7] then redis.call('HSETNX', record, 'tried', known[2]) end
  local place_at, place = string.match(known[17] or '', '^(%d+) (.*)$')
  if not place_at or math.abs(now - place_at) > KEEP_PLACE_MS then place = '' end
  local blocker = any_combined and not known[12] and not known[11] and find_blocker(key)
  response[#response + 1] = {key, known[1], known[2], tonumber(known[3] or 0), known[4] or '', known[5] or '', known[6] or '',
    known[7] and '1' or '', redis.call('GET', payload_prefix .. key) or '', known[8] and '1' or '', known[9] or '', hex(known[10] or ''),
    known[11] or '', blocker or '', known[13] or known[2], known[14] or '', known[15] or '', place,
    known[18] and read_correction(record_prefix, key) or ''}
end
return response
