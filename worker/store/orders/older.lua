-- Compare versions. A version is a whole number as text, longer than a Lua number can hold; "0" is an order that was read without one. Below zero are orders that
-- were pushed without a version for a provider that is polled (tasks/job.py): whatever was read at the provider itself is newer.
--
-- Not a script of its own: tombstone.lua and resend.lua include it.

-- Return whether `version` is older than `known`.
local function is_older(version, known)
  local is_below, was_below = string.sub(version, 1, 1) == '-', string.sub(known, 1, 1) == '-'
  if is_below ~= was_below then return is_below end
  if is_below then version, known = known, version end
  return #version < #known or (#version == #known and version < known)
end
