#!lua flags=no-writes
-- Return which work providers have: polls, fetches and backfills that may begin or continue now.

local cursor_prefix, poll_prefix, fetch_prefix, backfill_prefix, backfilling_prefix = unpack(ARGV, 1, 5)
-- Then for each provider: name, every_ms
-- every_ms is the time from one poll to the next. The name follows the prefix of a hash (cursor, backfill), of a lease (poll, backfilling), and of the orders to fetch, scored by the time when each is due.
--
-- Returns for each provider a number: 1 if its pause is over, + 2 if a poll was cut short, never began, is overdue, or is asked for, + 4 if orders are to be fetched, + 8 if a
-- backfill waits.

-- include ledger_time.lua
local time = ledger_time()
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function waits(hash, lease, every_ms)
  local known = redis.call('HMGET', hash, 'finished', 'paused', 'retry_at', 'asked', 'started')
  -- A clock that was set back does not stop the polls until it has caught up.
  local open = not known[1] or (every_ms and math.abs(now - (known[5] or 0)) >= tonumber(every_ms))
  local due = known[4] or (open and tonumber(known[3] or 0) <= now)
  return due and not known[2] and redis.call('EXISTS', lease) == 0
end

local response = {}
for i = 6, #ARGV, 2 do
  local name, every_ms = ARGV[i], ARGV[i + 1]
  local cursor, backfill = cursor_prefix .. name, backfill_prefix .. name
  local paused_until = redis.call('HGET', cursor, 'paused_until')
  local work = paused_until and tonumber(paused_until) <= now and 1 or 0
  if waits(cursor, poll_prefix .. name, every_ms) then work = work + 2 end
  if redis.call('ZCOUNT', fetch_prefix .. name, '-inf', now) > 0 then work = work + 4 end
  if redis.call('HEXISTS', backfill, 'since') == 1 and waits(backfill, backfilling_prefix .. name) then work = work + 8 end
  response[#response + 1] = work
end
return response
