-- Withdraw an order that is certainly not in the target: it was cancelled before it was sent, or no route wants it any more.
--
-- Not a script of its own: scripts that withdraw orders include it after combine.lua. The including script names dead as well.
-- A withdrawn order is final and needs no person. It is archived like a delivered one, and queued again if it becomes live at its source.

local function withdraw(key, record, reason)
  for _, set in ipairs({due, dead, held}) do redis.call('ZREM', set, key) end
  redis.call('HSET', record, 'state', 'withdrawn')
  log(key, 'withdrawn: ' .. reason)
  redis.call('HINCRBY', lane, 'withdrawn', 1)
  tally(now, key, 'withdrawn')
  archive(record_prefix, key, payload_prefix, history_prefix)
  leave_target(key)
  return 'withdrawn'
end
