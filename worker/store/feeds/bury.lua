-- Keep the dead letter of a record that could not be read.

local letters, lease, receipts = unpack(KEYS)
local external_id, letter, cause, owner, receipt = unpack(ARGV)
-- A letter is kept as "AT CAUSE LETTER": AT is when it was first kept for this cause, in Unix ms; cause is a digest of its field and reason. owner holds the
-- lease of the poll; '' if no poll is running.
--
-- Returns "new", "known" if the record had a letter for the same cause before, or "lost" if another poll took over: it may have read the record by now.
-- If repeated: replaces the letter by the same one, "known".

if owner ~= '' and redis.call('GET', lease) ~= owner then return 'lost' end
-- include ledger_time.lua
local time = ledger_time()
local at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local kept = redis.call('HGET', letters, external_id)
local since, before = string.match(kept or '', '^(%d+) (%x+) ')
local known = before == cause
redis.call('HSET', letters, external_id, (known and since or at) .. ' ' .. cause .. ' ' .. letter)
-- include receipt.lua
return known and 'known' or 'new'
