#!lua flags=allow-oom
-- Hand out orders to fetch; whoever does not return within the lease is considered dead.

local due, tries, places = unpack(KEYS)
local most, lease_ms = unpack(ARGV)
-- due holds external ids, scored by the time when each is due; places, where an interrupted search for one continues for ten minutes: since when, and the place.
--
-- Returns {external id, its score from now on, tries, place}...
-- If repeated: the orders of the lost response come again when their lease has ended.

-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local score = string.format('%.0f', now + tonumber(lease_ms))
local response = {}
local KEEP_PLACE_MS = 600000
for _, external_id in ipairs(redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, most)) do
  redis.call('ZADD', due, score, external_id)
  local since, place = string.match(redis.call('HGET', places, external_id) or '', '^(%d+) (.*)$')
  if not since or math.abs(now - since) > KEEP_PLACE_MS then place = '' end
  response[#response + 1] = {external_id, score, tonumber(redis.call('HGET', tries, external_id) or 0), place}
end
return response
