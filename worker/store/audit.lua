#!lua flags=allow-oom
-- Append a part of a record to the audit log, and drop the oldest parts beyond its bounds.

local audit, size = unpack(KEYS)
local part, most, most_bytes, keep_ms = unpack(ARGV)
-- audit is a list of parts, "<Unix ms> <JSON>", the newest last; size is how many bytes they have together. most and most_bytes bound both, keep_ms bounds their
-- age. Where nobody acts for so long, the whole list ends. A full Redis takes the part: what a person does about it must leave its record.
--
-- Returns how many parts there are.
-- If repeated: the part is there twice, and readers count it once by its number.

-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local line = string.format('%.0f ', now) .. part

local length = redis.call('RPUSH', audit, line)
local bytes = redis.call('INCRBY', size, #line)
local oldest = redis.call('LINDEX', audit, 0)
while length > 1 and (length > tonumber(most) or bytes > tonumber(most_bytes) or now - string.match(oldest, '^%d+') > tonumber(keep_ms)) do
  redis.call('LPOP', audit)
  length = length - 1
  bytes = redis.call('DECRBY', size, #oldest)
  oldest = redis.call('LINDEX', audit, 0)
end
redis.call('PEXPIRE', audit, keep_ms)
redis.call('PEXPIRE', size, keep_ms)
return length
