#!lua flags=allow-oom
-- Give up what a drain or a taker holds, although its process lives: it is freed at once, and nobody died.

local members = unpack(KEYS)
local member = unpack(ARGV, 1, 1)
-- Then for each thing that it held: hash, field
-- members is scored by the last sign of life. The field of a thing names the members that died while they held it alone (see excused.lua).
--
-- Returns 1, or 0 if the member was taken for dead before: that is taken back.
-- If repeated: nothing is left to take back.

for i = 2, #ARGV, 2 do
  local hash, field = unpack(ARGV, i, i + 1)
  local names, others = redis.call('HGET', hash, field) or '', {}
  for name in string.gmatch(names, '%S+') do if name ~= member then others[#others + 1] = name end end
  local left = table.concat(others, ' ')
  if left == '' then redis.call('HDEL', hash, field) elseif left ~= names then redis.call('HSET', hash, field, left) end
end
if not redis.call('ZSCORE', members, member) then return 0 end
redis.call('ZADD', members, 1, member)
return 1
