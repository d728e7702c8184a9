#!lua flags=allow-oom
-- Start a poll: take the provider's poll lease, unless another poll has it or the last one is too fresh.
--
-- KEYS  1 cursor  2 poll lease   ARGV  1 owner  2 lease in ms  3 ms that must lie between two whole polls; -1: at once, a person asks
-- Returns {'begun', cursor or ''} or {'busy'}, {'early'}, {'paused'}.
-- Repeated by its owner: begun again.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('HMGET', KEYS[1], 'value', 'finished', 'paused', 'retry_at')
local holder = redis.call('GET', KEYS[2])
if known[3] then return {'paused'} end
if holder and holder ~= ARGV[1] then return {'busy'} end
if tonumber(ARGV[3]) >= 0 and tonumber(known[4] or 0) > now then return {'early'} end
if known[2] and now - known[2] < tonumber(ARGV[3]) then return {'early'} end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('HSET', KEYS[1], 'started', string.format('%.0f', now))
return {'begun', known[1] or ''}
