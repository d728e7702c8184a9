#!lua flags=allow-oom
-- Move orders that are dead or in doubt, by what a person decided or the target answered.
--
-- KEYS  1 lane  2 due  3 dead  4 doubt  5 held
-- ARGV  1 prefix of order records  2 prefix of payloads  3 prefix of stories  4 ms that a story is kept after delivery
--       5 move  6 who says so  7 the target's id (delivered), or a code (note)  8 detail (note)  then the order keys
-- Moves of a dead order: replay, discard. Of one in doubt: delivered; send (a person looked, it is not there); again (the lane asks before it
-- sends); bury; note (it stays, the reason is refreshed).
-- Returns for each order "moved", or the state for which the move is none ("" if it is not known here).
-- Repeated: they are moved already, and nothing is done twice.

-- include archive.lua
-- include day.lua

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
local move, who, said, detail = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local moves = {}

local function tell(key, event)
  local story = ARGV[3] .. key
  if redis.call('RPUSH', story, stamp .. ' ' .. event) > 60 then redis.call('LTRIM', story, -60, -1) end
end

local function queue(key, record)
  redis.call('HSET', record, 'state', 'queued')
  redis.call('HDEL', record, 'tries', 'lost', 'code', 'detail', 'fields')
  redis.call('ZADD', KEYS[2], now + (redis.call('HGET', record, 'bulk') or 0), key)
end

local function forget(key)
  redis.call('DEL', ARGV[2] .. key)
  redis.call('PEXPIRE', ARGV[3] .. key, ARGV[4])
end

-- Whatever may have been sent stays uncertain, so that the target is asked first. What ended its workers goes alone.
function moves.replay(key, record)
  local poison = redis.call('HGET', record, 'code') == 'poison'
  queue(key, record)
  redis.call('HDEL', record, 'again')
  if poison then redis.call('HSET', record, 'lost', '2') end
  tell(key, 'replayed ' .. who)
end

-- The record stays: the same content that is read again is no new order. Of a change, the target keeps what it has.
function moves.discard(key, record)
  local done = redis.call('HEXISTS', record, 'done') == 1
  redis.call('HSET', record, 'state', done and 'delivered' or 'discarded')
  redis.call('HDEL', record, 'tries', 'lost', 'fields')
  if done then redis.call('HDEL', record, 'code', 'detail', 'uncertain', 'step', 'tried') end
  tell(key, (done and 'change discarded ' or 'discarded ') .. who)
  if done then return archive(ARGV[1], key, ARGV[2], ARGV[3]) end
  forget(key)
end

-- It is there with the content that was sent first: what changed since goes the way of every change.
function moves.delivered(key, record)
  local known = redis.call('HMGET', record, 'tried', 'fingerprint', 'change')
  local sent = known[1] or known[2]
  redis.call('HSET', record, 'state', 'delivered', 'target_id', said, 'sent', sent, 'done', stamp)
  redis.call('HDEL', record, 'tries', 'lost', 'uncertain', 'step', 'tried', 'code', 'detail', 'fields', 'bulk')
  redis.call('HINCRBY', KEYS[1], 'existed', 1)
  tally_out(now, key, redis.call('HGET', record, 'seen'))
  tell(key, 'delivered ' .. said .. ' existed, ' .. who)
  if sent ~= known[2] then
    tell(key, 'changed since it was sent')
    if known[3] == 'update' then return queue(key, record) end
    if known[3] == 'hold' then
      redis.call('HSET', record, 'state', 'held', 'code', 'changed', 'detail', 'after delivery')
      redis.call('ZADD', KEYS[5], now, key)
      tally(now, 'held changed')
      return tell(key, 'held changed after delivery')
    end
    redis.call('HINCRBY', KEYS[1], 'accepted_changed', 1)
  end
  archive(ARGV[1], key, ARGV[2], ARGV[3])
end

function moves.again(key, record)
  queue(key, record)
  redis.call('HINCRBY', record, 'again', 1)
  tell(key, 'queued again ' .. who)
end

function moves.send(key, record)
  queue(key, record)
  redis.call('HDEL', record, 'step', 'again')
  redis.call('HSET', record, 'uncertain', 'looked')
  tell(key, 'to be sent again ' .. who)
end

function moves.bury(key, record)
  redis.call('HSET', record, 'state', 'dead', 'code', 'given_up', 'detail', who)
  redis.call('ZADD', KEYS[3], now, key)
  redis.call('HINCRBY', KEYS[1], 'dead', 1)
  tally(now, 'dead given_up')
  tell(key, 'dead given_up ' .. who)
end

local function note(key, record)
  local known = redis.call('HMGET', record, 'code', 'detail')
  if known[1] == said and known[2] == detail then return end
  redis.call('HSET', record, 'code', said, 'detail', detail)
  tell(key, 'still in doubt ' .. said .. ' ' .. detail)
end

local set = (move == 'replay' or move == 'discard') and KEYS[3] or KEYS[4]
local results = {}
for i = 9, #ARGV do
  local key = ARGV[i]
  local record = ARGV[1] .. key
  if move == 'note' and redis.call('ZSCORE', set, key) then
    note(key, record)
    results[#results + 1] = 'moved'
  elseif move ~= 'note' and redis.call('ZREM', set, key) == 1 then
    moves[move](key, record)
    results[#results + 1] = 'moved'
  else
    results[#results + 1] = redis.call('HGET', record, 'state') or (read_archived(ARGV[1], key) and 'delivered' or '')
  end
end
return results
