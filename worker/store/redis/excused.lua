-- Deaths: what a member of drains or takers held counts as held by a dead process only if nothing excuses the end of its lease.
--
-- Not a script of its own: sweep.lua, free.lua and take.lua include it. A field of deaths names the members that died while they held that one thing alone.

-- Return whether the last sign of life excuses the member: 1 (see era.lua and excuse.lua), or a half, of a process that was asked to stop (see beat.lua).
local function is_excused(beat) return tonumber(beat) == 1 or beat % 1 ~= 0 end

local function count_deaths(names)
  local _, count = string.gsub(names or '', '%S+', '')
  return count
end

-- Note the death of a member in a field; return how many deaths it names now.
local function add_death(hash, field, member)
  local names = redis.call('HGET', hash, field)
  names = (names and names .. ' ' or '') .. member
  redis.call('HSET', hash, field, names)
  return count_deaths(names)
end
