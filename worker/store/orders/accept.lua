-- Write orders into the ledger and onto one lane, once per (target, order key, fingerprint).
--
-- KEYS  1 lane  2 due  3 drains  4 dead  5 held  6 whether a drain waits for orders  7 what wakes it  8 cursor of the orders' provider
--       9 when this ledger began
-- ARGV  1 prefix of order records  2 prefix of payloads  3 prefix of stories  4 lease in ms  5 where they come from
--       6 ask the target first: "never", "always", or while the ledger is "new" (it was lost: no walk has ended)  7 a change after delivery: update, hold or ignore
--       then by order: key, reference, fingerprint, version, payload, wanted (1: its route wants it)
-- Returns {live drains, with the one that was waked, result of each order}; a result is new, unwanted, same, stale, replaced, revived, withdrawn, updating, held or changed.
-- What a backfill brings is bulk work: its scores lie behind all others by a constant, which its record keeps ('bulk').
-- Repeated: the second call finds every fingerprint there, answers "same", changes nothing.

-- include archive.lua
-- include day.lua

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
local results, counts = {}, {}
local change = ARGV[7]
local BULK_OFFSET = 1125899906842624
local bulk = string.match(ARGV[5], '^%a*') == 'backfill'
-- Asked here, not by whoever accepts: Redis can be lost between his question and this.
-- A producer is never walked: what it pushes again it pushes within a day.
redis.call('SET', KEYS[9], stamp, 'NX')
local young = now - redis.call('GET', KEYS[9]) < 86400000
local ask = ARGV[6] == 'always' or (ARGV[6] == 'new' and redis.call('HEXISTS', KEYS[8], 'walked') == 0
  and (young or redis.call('EXISTS', KEYS[8]) == 1))

local function tell(key, event)
  redis.call('RPUSH', ARGV[3] .. key, stamp .. ' ' .. event)
end

-- Onto the lane, in the class of whoever tells of it.
local function due(key, record)
  if bulk then redis.call('HSET', record, 'bulk', string.format('%.0f', BULK_OFFSET)) else redis.call('HDEL', record, 'bulk') end
  redis.call('ZADD', KEYS[2], now + (bulk and BULK_OFFSET or 0), key)
end

local function fresh(key, record)
  redis.call('HDEL', record, 'bulk')
  local at = redis.call('ZSCORE', KEYS[2], key)
  if at and tonumber(at) >= BULK_OFFSET then redis.call('ZADD', KEYS[2], at - BULK_OFFSET, key) end
end

local function queue(key, record)
  redis.call('ZREM', KEYS[4], key)
  redis.call('ZREM', KEYS[5], key)
  redis.call('HSET', record, 'state', 'queued')
  redis.call('HDEL', record, 'tries', 'lost', 'code', 'detail', 'fields')
  due(key, record)
end

local function hold(key, record, detail)
  redis.call('ZREM', KEYS[2], key)
  redis.call('ZREM', KEYS[4], key)
  redis.call('HSET', record, 'state', 'held', 'code', 'changed', 'detail', detail)
  redis.call('ZADD', KEYS[5], now, key)
  tell(key, 'held changed ' .. detail)
  tally(now, 'held changed')
end

-- The target has it already, and it is not what it was.
local function changed(key, record, state, payload)
  tell(key, 'changed after delivery')
  if change == 'ignore' then
    if state == 'delivered' then archive(ARGV[1], key, ARGV[2], ARGV[3]) end
    return 'changed'
  end
  redis.call('SET', ARGV[2] .. key, payload)
  redis.call('PERSIST', ARGV[3] .. key)
  if state == 'queued' or state == 'claimed' then return 'replaced' end
  if change == 'hold' then
    hold(key, record, 'after delivery')
    return 'held'
  end
  queue(key, record)
  return 'updating'
end

local function take(key, reference, fingerprint, version, payload, wanted)
  local record = ARGV[1] .. key
  local seen = redis.call('HMGET', record, 'state', 'fingerprint', 'version', 'done', 'uncertain', 'code', 'bulk')
  local archived = not seen[1] and read_archived(ARGV[1], key)
  if archived then seen = {archived.state, archived.fingerprint, archived.version, archived.done, false} end
  local state = seen[1]
  if not state then
    if wanted == '0' then return 'unwanted' end
    redis.call('HSET', record, 'state', 'queued', 'reference', reference, 'fingerprint', fingerprint, 'version', version,
      'seen', stamp)
    if ask then redis.call('HSET', record, 'uncertain', 'ask') end
    redis.call('SET', ARGV[2] .. key, payload)
    due(key, record)
    tell(key, 'accepted ' .. ARGV[5])
    tally(now, 'in ' .. string.match(key, '^[^:]*'))
    return 'new'
  end
  if seen[7] and not bulk then fresh(key, record) end
  -- A version of up to 2^63 does not fit a Lua number: compare as text of equal length.
  local old = seen[3]
  local older = #version < #old or (#version == #old and version < old)
  if seen[2] == fingerprint then
    if not older and version ~= old then
      if archived then
        archived.version = version
        write_archived(ARGV[1], key, archived)
      else
        redis.call('HSET', record, 'version', version)
      end
    end
    return 'same'
  end
  if older then return 'stale' end
  -- The customer wanted to be forgotten: a change at the source, which may be just that, is not sent after him.
  if state == 'discarded' and seen[6] == 'erased' then return 'unwanted' end
  if archived then unarchive(ARGV[1], key, archived, ARGV[3]) end
  redis.call('HSET', record, 'fingerprint', fingerprint, 'version', version, 'change', change)
  if seen[4] then return changed(key, record, state, payload) end
  if state == 'discarded' and wanted == '0' then return 'unwanted' end
  redis.call('SET', ARGV[2] .. key, payload)
  redis.call('PERSIST', ARGV[3] .. key)
  tell(key, 'changed before delivery')
  if wanted == '0' and state == 'queued' and seen[5] ~= '1' then
    hold(key, record, 'before delivery: its route does not want it any more')
    return 'withdrawn'
  end
  if wanted == '0' or (state ~= 'dead' and state ~= 'held' and state ~= 'discarded') then return 'replaced' end
  -- What was refused may be mended now: a changed order gets all its tries again.
  queue(key, record)
  return 'revived'
end

for i = 8, #ARGV, 6 do
  local result = take(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5])
  results[#results + 1] = result
  counts[result] = (counts[result] or 0) + 1
end
for result, count in pairs(counts) do redis.call('HINCRBY', KEYS[1], 'accepted_' .. result, count) end
-- "poll shop", "push shop", "hint shop": who was the first to tell of an order.
if counts.new then redis.call('HINCRBY', KEYS[1], 'new_by_' .. string.match(ARGV[5], '^%a*'), counts.new) end
local drains = redis.call('ZCOUNT', KEYS[3], now - ARGV[4], '+inf')
-- Whoever is at bulk work is not waited for.
if not bulk and redis.call('ZCOUNT', KEYS[2], BULK_OFFSET, '+inf') > 0 then drains = 0 end
if drains == 0 and (counts.new or counts.revived or counts.updating) and redis.call('EXISTS', KEYS[6]) == 1 then
  if redis.call('LLEN', KEYS[7]) == 0 then redis.call('LPUSH', KEYS[7], '1') end
  drains = 1
end
return {drains, results}
