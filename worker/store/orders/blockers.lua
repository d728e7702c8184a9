-- Blockers: at the source, the goods of one order moved into another one, its heir. They must be shipped once.
--
-- Not a script of its own. The including script names its lane `lane`.
-- intake:lane:TARGET:combined holds each combined order that may be in the target, with its heir: "1" if changes of the heir are sent there, else "0", and the
-- key of the heir. The heir waits until the combined order is cancelled there, or a person decides. Usually there are none.

local combined = lane .. ':combined'

-- Return the key of a combined order that has to leave the target before its heir `key` is sent, or nil.
local function find_blocker(key)
  local entries = redis.call('HGETALL', combined)
  for i = 2, #entries, 2 do
    if string.sub(entries[i], 2) == key then return entries[i - 1] end
  end
end

-- Forget that the heir `key` waits for others.
local function unblock(key)
  local entries = redis.call('HGETALL', combined)
  for i = 2, #entries, 2 do
    if string.sub(entries[i], 2) == key then redis.call('HDEL', combined, entries[i - 1]) end
  end
end
