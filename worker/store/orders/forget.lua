-- Give up the orders that wait for a target: nothing of them is sent, unless they change at their source.

local due, dead, doubt, held, lane = unpack(KEYS)
local record_prefix, payload_prefix, history_prefix, keep_history_ms = unpack(ARGV, 1, 4)
-- Then for each order: key
--
-- The records stay, so that the same content is no new order if the target returns. What the target has stays as it is there.
--
-- Returns how many orders were given up.
-- If repeated: they do not wait any more, 0.

-- include archive.lua

local time = ledger_time()
local stamp = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local given_up = 0

-- include log.lua

for i = 5, #ARGV do
  local key = ARGV[i]
  local record = record_prefix .. key
  local waited = 0
  for _, set in ipairs({due, dead, doubt, held}) do waited = waited + redis.call('ZREM', set, key) end
  if waited > 0 then
    given_up = given_up + 1
    log(key, 'discarded by hand: its target is not in the settings any more')
    if redis.call('HEXISTS', record, 'done') == 1 then
      redis.call('HSET', record, 'state', 'delivered')
      archive(record_prefix, key, payload_prefix, history_prefix)
    else
      forget_correction(record_prefix, key)
      redis.call('HSET', record, 'state', 'discarded')
      redis.call('HDEL', record, 'tries', 'lost', 'died', 'fields', 'code', 'detail')
      redis.call('DEL', payload_prefix .. key)
      redis.call('PEXPIRE', history_prefix .. key, keep_history_ms)
    end
  end
end
redis.call('HINCRBY', lane, 'given_up', given_up)
return given_up
