#!lua flags=allow-oom
-- Let held orders go on, or let them be.
--
-- KEYS  1 due  2 held  3 dead
-- ARGV  1 prefix of order records  2 prefix of payloads  3 prefix of stories  4 ms that a story is kept after delivery
--       5 "send" or "drop"  then the order keys
-- Returns how many of them were held.
-- Repeated: they are not held any more.

-- include archive.lua

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local released = 0

local function send(key, record)
  redis.call('HSET', record, 'state', 'queued')
  redis.call('HDEL', record, 'tries', 'lost', 'code', 'detail')
  redis.call('ZADD', KEYS[1], now + (redis.call('HGET', record, 'bulk') or 0), key)
  return 'released'
end

-- The target keeps what it has; an order it never had is dead, for everybody to see.
local function drop(key, record)
  if redis.call('HEXISTS', record, 'done') == 1 then
    redis.call('HSET', record, 'state', 'delivered')
    redis.call('HDEL', record, 'code', 'detail')
    return 'change dropped', 'delivered'
  end
  redis.call('HSET', record, 'state', 'dead', 'code', 'dropped', 'detail', 'by hand')
  redis.call('ZADD', KEYS[3], now, key)
  return 'dead dropped by hand'
end

for i = 6, #ARGV do
  local key = ARGV[i]
  if redis.call('ZREM', KEYS[2], key) == 1 then
    local event, state = (ARGV[5] == 'send' and send or drop)(key, ARGV[1] .. key)
    redis.call('RPUSH', ARGV[3] .. key, string.format('%.0f ', now) .. event)
    if state then archive(ARGV[1], key, ARGV[2], ARGV[3]) end
    released = released + 1
  end
end
return released
