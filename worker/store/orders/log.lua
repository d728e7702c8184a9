-- The history of an order: its latest events, however long it waits and however often it changes.
--
-- Not a script of its own: scripts that move orders include it. The including script names history_prefix, and the time as `stamp`.

local EVENTS = 60

local function log(key, event)
  local history = history_prefix .. key
  if redis.call('RPUSH', history, stamp .. ' ' .. event) > EVENTS then redis.call('LTRIM', history, -EVENTS, -1) end
end
