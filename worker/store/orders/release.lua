#!lua flags=allow-oom
-- Send held orders, or drop what is held of them.

local lane, due, held, dead = unpack(KEYS)
local record_prefix, payload_prefix, history_prefix, action = unpack(ARGV, 1, 4)
-- Then for each order: key
--
-- action is "send" or "drop".
--
-- Returns how many of the orders were held.
-- If repeated: they are not held any more.

-- include archive.lua
-- include day.lua

local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%.0f', now)
local released = 0

-- include log.lua
-- include combine.lua

local function send(key, record)
  -- A person decided about what the source says now.
  if read_correction(record_prefix, key) == '' then forget_correction(record_prefix, key) end
  redis.call('HSET', record, 'state', 'queued')
  redis.call('HDEL', record, 'tries', 'lost', 'died', 'code', 'detail', 'hold')
  redis.call('ZADD', due, now + (redis.call('HGET', record, 'bulk') or 0), key)
  return 'released'
end

-- The target keeps what it has; an order that it never had becomes dead, where everybody can see it.
local function drop(key, record)
  if redis.call('HEXISTS', record, 'done') == 1 then
    redis.call('HSET', record, 'state', 'delivered')
    redis.call('HDEL', record, 'code', 'detail')
    return 'change dropped', 'delivered'
  end
  redis.call('HSET', record, 'state', 'dead', 'code', 'dropped', 'detail', 'by hand')
  redis.call('ZADD', dead, now, key)
  return 'dead dropped by hand'
end

-- A person saw to a combined order. An heir that would be sent with its goods still waits: the order may have been left in the target.
local function drop_combined(key)
  local entry = redis.call('HGET', combined, key)
  if entry and string.sub(entry, 1, 1) == '0' then leave_target(key) end
end

for i = 5, #ARGV do
  local key = ARGV[i]
  -- To its target it would be another order: it waits for a reference of its own (accept.lua).
  local waits_for_owner = action == 'send' and redis.call('HGET', record_prefix .. key, 'code') == 'reference'
  if not waits_for_owner and redis.call('ZREM', held, key) == 1 then
    local event, state = (action == 'send' and send or drop)(key, record_prefix .. key)
    log(key, event)
    unblock(key) -- a person decided
    if state then
      archive(record_prefix, key, payload_prefix, history_prefix)
      drop_combined(key)
    end
    released = released + 1
  end
end
return released
