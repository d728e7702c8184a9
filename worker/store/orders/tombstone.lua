-- Tombstones: the newest version of an order that no route wanted and that the ledger does not have. An older version that arrives later creates nothing:
-- pushes come in any order, and a poll may have read the order before that.
--
-- Not a script of its own: accept.lua includes it after archive.lua. A tombstone is a field of one of 65,536 hashes of its target and of a period of 30 days,
-- intake:unwanted:TARGET:<period>:<four digits of its key's SHA-1>, and takes about as many bytes as its key and its version: no content, no key of its own.
-- It is found in its period and in the next one, so it is kept for 30 to 60 days: the memory is bounded by the orders that are left out in that time.

local PERIOD = 2592000000

local function tombstones(key, period)
  return string.format('intake:unwanted:%s%.0f:%s', string.sub(record_prefix, 14), period, string.sub(redis.sha1hex(key), 1, 4))
end

-- include older.lua

-- Return whether a newer version of the order was left out.
local function is_outdated(key, version)
  local period, field = math.floor(now / PERIOD), archive_field(key)
  for n = period, period - 1, -1 do
    local known = redis.call('HGET', tombstones(key, n), field)
    if known and is_older(version, known) then return true end
  end
  return false
end

-- Remember that this version is left out.
local function bury_version(key, version)
  local period = math.floor(now / PERIOD)
  local hash = tombstones(key, period)
  redis.call('HSET', hash, archive_field(key), version)
  redis.call('PEXPIRE', hash, string.format('%.0f', (period + 2) * PERIOD - now))
end
