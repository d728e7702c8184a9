#!lua flags=allow-oom
-- Hand orders that are due to one drain, no more than the limit lets out in about a second.
--
-- KEYS  1 lane  2 due  3 drains  4 claims of this drain  5 limit scope  6 when this ledger began
-- ARGV  1 drain  2 most  3 lease in ms  4 interval of the limit in us (0: none)  5 prefix of order records
--       6 prefix of payloads  7 prefix of stories  8 prefix of claims  9 failures that open the breaker
--       10 most drains at a time  11 orders in one call  12 ms in which a new ledger sends nothing here
-- Returns {'orders', {key, reference, fingerprint, tries, uncertain (''; 'ask': the ledger is new; 'looked': a person did; '1': it was sent), step, the target's id
-- (of an order that is there: a change is to be sent), "1" if it is there, payload, "1" if it is bulk work}...} or {why not, ms to wait}: lost, full, paused, closed, empty,
-- young (closed, said once: the ledger is so new that what an older one sent may still be on its way).
-- A drain that is given nothing is struck off in the same step, so that no order can arrive between "empty" and its leaving.
-- Bulk work (what a backfill brought) is handed out only where nothing else is due, and never to all drains at once; where there is but one, by one call.
-- Repeated: a drain settles all before it claims again, so claims it still holds are the answer that was lost.

local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local drain, lease = ARGV[1], tonumber(ARGV[3])
local BULK_OFFSET = 1125899906842624 -- see accept.lua

local function leave(reason, wait)
  redis.call('ZREM', KEYS[3], drain)
  return {reason, math.max(0, math.ceil(wait))}
end

-- Whether a drain is left for a fresh order, if this one does bulk work.
local function spare()
  local free = math.max(1, ARGV[10] - 1)
  for _, other in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
    local held = other ~= drain and redis.call('SRANDMEMBER', ARGV[8] .. other)
    if held and redis.call('HEXISTS', ARGV[5] .. held, 'bulk') == 1 then free = free - 1 end
  end
  return free > 0
end

local beat = redis.call('ZSCORE', KEYS[3], drain)
if beat and now - beat > lease then return {'lost', 0} end

if not beat and redis.call('ZCOUNT', KEYS[3], now - lease, '+inf') >= tonumber(ARGV[10]) then return {'full', 0} end

local keys = redis.call('SMEMBERS', KEYS[4])
if #keys == 0 then
  local lane = redis.call('HMGET', KEYS[1], 'paused', 'closed_until', 'failures')
  if lane[1] then return leave('paused', 0) end
  local open_at = tonumber(lane[2] or 0)
  if now < open_at then return leave('closed', open_at - now) end

  local most = tonumber(ARGV[2])
  local interval = tonumber(ARGV[4])
  local scope = redis.call('HMGET', KEYS[5], 'closed_until', 'next')
  local free_at = math.max(micros, tonumber(scope[1] or 0))
  if interval > 0 then
    free_at = math.max(free_at, tonumber(scope[2] or 0))
    most = math.min(most, math.floor((micros + 1000000 - free_at) / interval) * ARGV[11])
  elseif free_at > micros then
    most = 0
  end
  if most < 1 then return leave('closed', (free_at - micros) / 1000) end

  if tonumber(lane[3] or 0) >= tonumber(ARGV[9]) then
    -- Half open: one order of one drain shows whether the target is back.
    most = 1
    for _, other in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
      if other ~= drain and redis.call('SCARD', ARGV[8] .. other) > 0 then return leave('closed', 1000) end
    end
  end

  local function take(from, to, count)
    for _, key in ipairs(redis.call('ZRANGE', KEYS[2], from, to, 'BYSCORE', 'LIMIT', 0, count)) do
      -- An order that lost its drain twice goes alone: if it kills workers, then not with innocent ones beside it.
      local suspect = tonumber(redis.call('HGET', ARGV[5] .. key, 'lost') or 0) > 1
      if suspect and #keys > 0 then break end
      keys[#keys + 1] = key
      if suspect then break end
    end
  end
  take('-inf', now, most)
  if #keys == 0 and spare() then take(BULK_OFFSET, BULK_OFFSET + now, math.min(most, ARGV[11] * (ARGV[10] == '1' and 1 or 10))) end
  if #keys == 0 then return leave('empty', 0) end

  -- A drain of the ledger before writes until its lease ends: who asks before that, asks too early.
  if tonumber(ARGV[12]) > 0 then
    local stamp = string.format('%.0f', now)
    redis.call('SET', KEYS[6], stamp, 'NX')
    local wait = redis.call('GET', KEYS[6]) + ARGV[12] - now
    if wait > 0 then return leave(redis.call('HSETNX', KEYS[1], 'waited', stamp) == 1 and 'young' or 'closed', wait) end
  end
end

redis.call('ZADD', KEYS[3], now, drain)
local stamp = string.format('%.0f', now)
local answer = {'orders'}
for _, key in ipairs(keys) do
  local record = ARGV[5] .. key
  if redis.call('SADD', KEYS[4], key) == 1 then
    redis.call('ZREM', KEYS[2], key)
    redis.call('HSET', record, 'state', 'claimed', 'drain', drain)
    redis.call('RPUSH', ARGV[7] .. key, stamp .. ' claimed ' .. drain)
  end
  local known = redis.call('HMGET', record, 'reference', 'fingerprint', 'tries', 'uncertain', 'step', 'target_id', 'done', 'bulk')
  -- What an uncertain create has left there is what was sent first, however often the order changes meanwhile.
  if not known[7] then redis.call('HSETNX', record, 'tried', known[2]) end
  answer[#answer + 1] = {key, known[1], known[2], tonumber(known[3] or 0), known[4] or '', known[5] or '', known[6] or '',
    known[7] and '1' or '', redis.call('GET', ARGV[6] .. key) or '', known[8] and '1' or ''}
end
return answer
