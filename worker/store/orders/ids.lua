-- The index of the ids that a target gave its orders, by which people there know them.
--
-- Not a script of its own: archive.lua includes it. An entry is four bytes: two of the id's SHA-1, and the two that name the hash of the archive in which the
-- order is. The entries of ids whose SHA-1 begins with the same two digits are one string, intake:ids:TARGET:<the digits>, so an order costs four to eight bytes
-- and no key. An order with an id that is live is in intake:ids:TARGET:live, by its id. Who finds an entry compares the whole id (identified.lua).
-- Nothing is ever deleted from the strings: an order whose id changes is found by the new one only.

local function live_ids(prefix) return 'intake:ids:' .. string.sub(prefix, 14) .. 'live' end

local function two_bytes(digits) return string.char(tonumber(string.sub(digits, 1, 2), 16), tonumber(string.sub(digits, 3, 4), 16)) end

-- Return the string of an id, and the beginning of its entry.
local function place_of_id(prefix, id)
  local digest = redis.sha1hex(id)
  return 'intake:ids:' .. string.sub(prefix, 14) .. string.sub(digest, 1, 2), two_bytes(string.sub(digest, 3, 6))
end

local function add_id(prefix, key, id)
  local index, begin = place_of_id(prefix, id)
  redis.call('APPEND', index, begin .. two_bytes(redis.sha1hex(key)))
end

-- Note the id of an order that is live, and stays so for a while.
local function note_live_id(prefix, key, id)
  if id and id ~= '' and redis.call('HSET', live_ids(prefix), id, key) == 1 then add_id(prefix, key, id) end
end

-- Note that an order of the archive, whose id is noted, is live again.
local function revive_id(prefix, key, id)
  if id and id ~= '' then redis.call('HSET', live_ids(prefix), id, key) end
end

-- Note the id of an order that is archived now.
local function note_archived_id(prefix, key, id)
  if id and id ~= '' and redis.call('HDEL', live_ids(prefix), id) == 0 then add_id(prefix, key, id) end
end
