#!lua flags=allow-oom
-- Let a drain or a taker go, unless it holds work after all: Redis may have forgotten that the work was settled.

local members, held = unpack(KEYS)
local member = unpack(ARGV)
-- members is scored by the last sign of life; held is what this member has in hand.
--
-- Returns 1, or 0 if work is left: it is taken over as that of a dead member.
-- If repeated: it has left already, 1.

if redis.call('EXISTS', held) == 1 then return 0 end
redis.call('ZREM', members, member)
return 1
