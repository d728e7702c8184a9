#!lua flags=allow-oom
-- Wake all orders at rest in a few of the shared hashes: for the release before, which looks for each in a key of its own.
--
-- KEYS  1 the ledger   ARGV  1 where to go on ("0" begins)  2 keys to look at
-- Returns {where to go on ("0": this was all), orders woken}.
-- Repeated: they are awake already. From the first call on no order is laid to rest, until `rests` is set again.

-- include rest.lua

redis.call('HSET', KEYS[1], 'rests', '9999999999999', 'tidied', '0')
local woken = 0
local found = redis.call('SCAN', ARGV[1], 'MATCH', 'intake:done:*', 'COUNT', ARGV[2])
for _, name in ipairs(found[2]) do
  local target = string.match(name, '^intake:done:(.*):%x+$')
  local prefix, stories = 'intake:order:' .. target .. ':', 'intake:story:' .. target .. ':'
  for _, of in ipairs(redis.call('HKEYS', name)) do
    if not string.find(of, '\1') then
      local key = key_of(name, of)
      local rest = at_rest(prefix, key)
      if redis.call('EXISTS', prefix .. key) == 0 then
        wake(prefix, key, rest, stories)
        redis.call('PEXPIRE', stories .. key, KEEP)
        woken = woken + 1
      else
        take_out(prefix, key)
      end
    end
  end
end
return {found[1], woken}
