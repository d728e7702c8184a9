#!lua flags=allow-oom
-- Write entries of the registry, if it is still as the caller read it.

local registry = unpack(KEYS)
local seen, version = unpack(ARGV, 1, 2)
-- Then for each entry: field, value
--
-- seen is the version that the caller read ("" if there was no registry), version the new one.
--
-- Returns 1, or 0 if another process wrote the registry meanwhile: then nothing is written.
-- If repeated: the version has changed, so it returns 0; the caller reads what it wrote, and finds nothing to change.

if (redis.call('HGET', registry, 'version') or '') ~= seen then return 0 end
for i = 3, #ARGV, 2 do redis.call('HSET', registry, ARGV[i], ARGV[i + 1]) end
redis.call('HSET', registry, 'version', version)
return 1
