-- Combined orders: what becomes of the heir of an order (see blockers.lua) that has left the target.
--
-- Not a script of its own: scripts that move orders include it after archive.lua and day.lua. The including script names due and held, the prefixes of an
-- order's keys, and `log`.

-- include blockers.lua

-- Let the heir `key` make a delivery complete that `from` is no part of any more: send it if it waits, or hold it if the target would never get the goods.
local function pass_goods(from, key, carries)
  local record = record_prefix .. key
  local known = redis.call('HMGET', record, 'state', 'done', 'code', 'stop')
  local archived = not known[1] and read_archived(record_prefix, key)
  if archived then known = {archived.state, archived.done, false, archived.stop} end
  if known[1] == 'held' and known[3] == 'combined' and (carries or not known[2]) then
    if find_blocker(key) then return end
    redis.call('ZREM', held, key)
    redis.call('HSET', record, 'state', 'queued')
    redis.call('HDEL', record, 'code', 'detail')
    redis.call('ZADD', due, now + (redis.call('HGET', record, 'bulk') or 0), key)
    log(key, 'released: ' .. from .. ' is out of the way')
  elseif known[2] and not carries and not known[4] and (known[1] == 'delivered' or known[1] == 'held') then
    if archived then unarchive(record_prefix, key, archived, history_prefix) end
    local target = string.sub(lane, 13)
    local detail = 'the goods of ' .. from .. ' were combined into it after its delivery: add them in ' .. target
      .. ' by hand, then: intake release ' .. target .. ' ' .. key .. ' --drop'
    redis.call('HSET', record, 'state', 'held', 'code', 'combined', 'detail', detail)
    redis.call('PERSIST', history_prefix .. key)
    redis.call('ZADD', held, now, key)
    log(key, 'held combined ' .. detail)
    tally(now, key, 'held combined')
  end
end

-- `key` is not in the target, or not any more: its heir, if it has one, is next.
local function leave_target(key)
  local entry = redis.call('HGET', combined, key)
  if not entry then return end
  redis.call('HDEL', combined, key)
  pass_goods(key, string.sub(entry, 2), string.sub(entry, 1, 1) == '1')
end
