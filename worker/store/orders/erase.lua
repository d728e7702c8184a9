#!lua flags=allow-oom
-- Take what is personal out of orders of one target, and end those that were not delivered yet.
--
-- KEYS  1 lane  2 due  3 dead  4 doubt  5 held
-- ARGV  1 prefix of order records  2 prefix of payloads  3 prefix of stories  4 ms that a story is kept  then the order keys
-- Returns for each order "erased" (it ends here, and is never sent), "maybe" (the same, but it may have been sent already), "delivered"
-- (it is in the target; a change that waited is gone), "claimed" (it is being sent now: nothing was done), or "" (not known).
-- What is left: that there was this order, so that it is never created again; the times and the kinds of what happened to it.
-- Repeated: answers the same, changes nothing.

-- include archive.lua

local time = redis.call('TIME')
local stamp = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
-- Lines of these hold names and ids only; of the others the first word is left.
local plain = {accepted = true, claimed = true, delivered = true, updated = true, erased = true}

local function redact(key)
  local stories = ARGV[3] .. key
  local lines = redis.call('LRANGE', stories, 0, -1)
  redis.call('DEL', stories)
  for _, line in ipairs(lines) do
    local word = string.match(line, '^%d+ (%S+)')
    redis.call('RPUSH', stories, plain[word] and line or string.match(line, '^%d+ %S+') or stamp)
  end
  redis.call('RPUSH', stories, stamp .. ' erased by hand')
end

local function erase(key)
  local record = ARGV[1] .. key
  local known = redis.call('HMGET', record, 'state', 'done', 'uncertain', 'code')
  local archived = not known[1] and read_archived(ARGV[1], key)
  if archived then return 'delivered' end
  if not known[1] then return '' end
  if known[1] == 'claimed' then return 'claimed' end
  local may_be_there = known[3] == '1' or known[1] == 'in_doubt'
  local answer = known[2] and 'delivered' or may_be_there and 'maybe' or 'erased'
  if known[4] == 'erased' then return answer end
  for i = 2, 5 do redis.call('ZREM', KEYS[i], key) end
  redis.call('DEL', ARGV[2] .. key)
  redis.call('HDEL', record, 'tries', 'lost', 'code', 'detail', 'fields', 'step', 'tried', 'again')
  redact(key)
  redis.call('HINCRBY', KEYS[1], 'erased', 1)
  if known[2] then
    redis.call('HSET', record, 'state', 'delivered')
    redis.call('HDEL', record, 'uncertain')
    archive(ARGV[1], key, ARGV[2], ARGV[3])
    return answer
  end
  if may_be_there then redis.call('HSET', record, 'uncertain', '1') end
  redis.call('HSET', record, 'state', 'discarded', 'code', 'erased')
  redis.call('PEXPIRE', ARGV[3] .. key, ARGV[4])
  return answer
end

local results = {}
for i = 5, #ARGV do results[#results + 1] = erase(ARGV[i]) end
return results
