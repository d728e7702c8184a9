#!lua flags=allow-oom
-- Start a poll: take the provider's poll lease, unless another poll holds it or the last one is too recent.

local cursor, lease = unpack(KEYS)
local owner, lease_ms, gap_ms = unpack(ARGV)
-- gap_ms is the time from the start of a complete poll to the start of the next one; -1 means at once, because a person asks. A person who asked
-- through another process left the field 'asked', which ends with this poll.
--
-- Returns {'begun', cursor or ''} or {'busy'}, {'early'}, {'paused'}.
-- If repeated by its owner: begins again.

-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('HMGET', cursor, 'value', 'finished', 'paused', 'retry_at', 'started', 'asked')
local holder = redis.call('GET', lease)
if known[6] then gap_ms = -1 end
if known[3] then return {'paused'} end
if holder and holder ~= owner then return {'busy'} end
if tonumber(gap_ms) >= 0 and tonumber(known[4] or 0) > now then return {'early'} end
-- A clock that was set back does not stop the polls until it has caught up.
if known[2] and math.abs(now - (known[5] or 0)) < tonumber(gap_ms) then return {'early'} end
redis.call('SET', lease, owner, 'PX', lease_ms)
redis.call('HSET', cursor, 'started', string.format('%.0f', now))
if known[6] then redis.call('HDEL', cursor, 'asked') end
return {'begun', known[1] or ''}
