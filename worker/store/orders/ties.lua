-- Ties: the fingerprints of contents that other content of the same version replaced. Pushing one of them again is a replay, and changes nothing: versions that are
-- times (a signature has whole seconds) do not show which of two is newer, so the order of the first arrivals counts. What is read at the provider is never a replay.
--
-- Not a script of its own: accept.lua includes it. The field 'ties' of a record is the version, a blank, and fingerprints; it counts for this version only.

local MOST_TIES = 16 * 33

-- Return whether a push of this version and fingerprint is a replay of content that was replaced.
local function is_replay(ties, version, fingerprint)
  local tied, replaced = string.match(ties or '', '^(%S+) (.*)$')
  return tied == version and string.find(replaced, fingerprint, 1, true) ~= nil
end

-- Note that content of the version `old` is replaced by content of `version`. "0" is no version: such contents only have an order of arrival.
local function note_tie(record, ties, old, replaced, version, fingerprint)
  if version ~= old or version == '0' then return redis.call('HDEL', record, 'ties') end
  if replaced == fingerprint then return end -- the settings changed, not the order
  local tied, before = string.match(ties or '', '^(%S+) (.*)$')
  local all = replaced .. ' ' .. string.gsub(tied == version and before or '', fingerprint .. ' ', '')
  redis.call('HSET', record, 'ties', version .. ' ' .. string.sub(all, 1, MOST_TIES))
end
