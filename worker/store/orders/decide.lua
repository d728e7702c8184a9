#!lua flags=allow-oom
-- Move orders that are dead or in doubt, as a person decided or the target responded.

local lane, due, dead, doubt, held, searches = unpack(KEYS)
local record_prefix, payload_prefix, history_prefix, keep_history_ms, move, source, target_id, code, detail = unpack(ARGV, 1, 9)
-- Then for each order: key
--
-- Moves of a dead order: replay, discard. Moves of an order in doubt: delivered (under target_id), send (a person looked, and the target does not have it),
-- again (the lane asks before it sends), bury, note (it stays in doubt; code and detail become the reason), search (it stays in doubt, and a worker searches the
-- target for it: searches are those orders by the time from which on). source is who decided.
--
-- Returns for each order "moved", or the state in which the move is not possible ("" if the order is unknown).
-- If repeated: the orders are moved already, and nothing is done twice.

-- include archive.lua
-- include day.lua

local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
local moves = {}

-- include log.lua

local function queue(key, record)
  redis.call('HSET', record, 'state', 'queued')
  redis.call('HDEL', record, 'tries', 'lost', 'died', 'code', 'detail', 'fields')
  redis.call('ZADD', due, now + (redis.call('HGET', record, 'bulk') or 0), key)
end

local function forget(key)
  forget_correction(record_prefix, key)
  redis.call('DEL', payload_prefix .. key)
  redis.call('PEXPIRE', history_prefix .. key, keep_history_ms)
end

-- An order that may have been sent stays uncertain, so that the target is asked first. A poison order is claimed alone.
function moves.replay(key, record)
  local is_poison = redis.call('HGET', record, 'code') == 'poison'
  queue(key, record)
  redis.call('HDEL', record, 'again')
  if is_poison then redis.call('HSET', record, 'lost', '2') end
  log(key, 'replayed ' .. source)
end

-- The record stays, so that the same content is no new order when it is read again. If a change is discarded, the target keeps what it has.
function moves.discard(key, record)
  local done = redis.call('HEXISTS', record, 'done') == 1
  redis.call('HSET', record, 'state', done and 'delivered' or 'discarded')
  redis.call('HDEL', record, 'tries', 'lost', 'died', 'fields')
  if done then redis.call('HDEL', record, 'code', 'detail', 'uncertain', 'step', 'tried') end
  log(key, (done and 'change discarded ' or 'discarded ') .. source)
  if done then return archive(record_prefix, key, payload_prefix, history_prefix) end
  forget(key)
end

-- The target has the content that was sent first: later changes are handled like every change after delivery.
function moves.delivered(key, record)
  local known = redis.call('HMGET', record, 'tried', 'fingerprint', 'change', 'left_out')
  local sent = known[1] or known[2]
  redis.call('HSET', record, 'state', 'delivered', 'target_id', target_id, 'sent', sent, 'done', stamp)
  redis.call('HDEL', record, 'tries', 'lost', 'died', 'uncertain', 'step', 'tried', 'tried_fields', 'code', 'detail', 'fields', 'bulk', 'left_out')
  redis.call('HINCRBY', lane, 'existed', 1)
  tally_out(now, key, redis.call('HGET', record, 'seen'))
  log(key, 'delivered ' .. target_id .. ' existed, ' .. source)
  if sent ~= known[2] or known[4] then
    log(key, 'changed since it was sent')
    note_live_id(record_prefix, key, target_id)
    if known[3] == 'update' then return queue(key, record) end
    if known[3] == 'hold' then
      redis.call('HSET', record, 'state', 'held', 'code', 'changed', 'detail', 'after delivery')
      redis.call('ZADD', held, now, key)
      tally(now, key, 'held changed')
      return log(key, 'held changed after delivery')
    end
    redis.call('HINCRBY', lane, 'accepted_changed', 1)
  end
  archive(record_prefix, key, payload_prefix, history_prefix)
end

function moves.again(key, record)
  queue(key, record)
  redis.call('HINCRBY', record, 'again', 1)
  log(key, 'queued again ' .. source)
end

function moves.send(key, record)
  queue(key, record)
  redis.call('HDEL', record, 'step', 'again')
  redis.call('HSET', record, 'uncertain', 'looked')
  log(key, 'to be sent again ' .. source)
end

function moves.bury(key, record)
  redis.call('HSET', record, 'state', 'dead', 'code', 'given_up', 'detail', source)
  redis.call('ZADD', dead, now, key)
  redis.call('HINCRBY', lane, 'dead', 1)
  tally(now, key, 'dead given_up')
  log(key, 'dead given_up ' .. source)
end

local function note(key, record)
  local known = redis.call('HMGET', record, 'code', 'detail')
  -- A person who wanted the search sees its result, even if it is the same.
  local wanted = string.find(redis.call('LINDEX', history_prefix .. key, -1) or '', ' to be searched for ', 1, true)
  if known[1] == code and known[2] == detail and not wanted then return end
  redis.call('HSET', record, 'code', code, 'detail', detail)
  log(key, 'still in doubt ' .. code .. ' ' .. detail)
end

-- Return whether nobody else wanted the search before.
local function search(key)
  if redis.call('ZADD', searches, 'NX', now, key) == 0 then return false end
  log(key, 'to be searched for ' .. source)
  return true
end

local set = (move == 'replay' or move == 'discard') and dead or doubt
local results = {}
for i = 10, #ARGV do
  local key = ARGV[i]
  local record = record_prefix .. key
  local stays = move == 'note' or move == 'search'
  if stays and redis.call('ZSCORE', set, key) then
    if move == 'note' then note(key, record) end
    results[#results + 1] = (move == 'note' or search(key)) and 'moved' or 'in_doubt'
  elseif not stays and redis.call('ZREM', set, key) == 1 then
    moves[move](key, record)
    results[#results + 1] = 'moved'
  else
    results[#results + 1] = redis.call('HGET', record, 'state') or (read_archived(record_prefix, key) or {state = ''}).state
  end
end
return results
