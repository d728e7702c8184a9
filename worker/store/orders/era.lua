-- Eras: a Redis that restarted, failed over or was restored is another server, and may have forgotten what its predecessor wrote last. Each run of a server has
-- its own replication id, which no client can overlook. Where INFO is not allowed, that is not recognized, and `intake check` reports it. A server that keeps
-- running and goes back to an earlier state is another one as well (see ledger_time.lua).
--
-- Not a script of its own: accept.lua, claim.lua and sweep.lua include it. era is a hash: `server` is the id of the server that holds the ledger, `since` when
-- the present era began, if another server held the ledger before. epoch is when this ledger, or its era, began.

-- Begin an era if this is another server than before. Return when the era began, or nil in the first one.
local function enter_era()
  local info = redis.pcall('INFO', 'replication')
  local id = type(info) == 'string' and string.match(info, 'master_replid:(%x+)')
  local known, forgot = redis.call('HGET', era, 'server'), redis.call('HGET', 'intake:clock', 'forgot')
  if forgot or (known and id and known ~= id) then
    redis.call('HSET', era, 'since', stamp)
    redis.call('SET', epoch, stamp)
    redis.call('HDEL', 'intake:clock', 'forgot')
  end
  if id and known ~= id then redis.call('HSET', era, 'server', id) end
  redis.call('SET', epoch, stamp, 'NX')
  return tonumber(redis.call('HGET', era, 'since') or nil)
end

-- End the leases of the former era: a drain does not know whether its claims were forgotten. The drains of a target that refuses duplicates may go on.
local function end_leases(since)
  if not since or redis.call('HGET', lane, 'era') == string.format('%.0f', since) then return end
  redis.call('HSET', lane, 'era', string.format('%.0f', since))
  redis.call('HDEL', lane, 'waited')
  if tonumber(quarantine_ms) == 0 then return end
  for _, member in ipairs(redis.call('ZRANGE', drains, 0, -1)) do redis.call('ZADD', drains, 1, member) end
end
