-- Make members due after a delay: orders to be fetched, deferred jobs.

local due, receipts = unpack(KEYS)
local delay_ms, receipt = unpack(ARGV, 1, 2)
-- Then for each member: member
--
-- If repeated: the members are due a moment later.

-- include ledger_time.lua
local time = ledger_time()
local at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(delay_ms))
for i = 3, #ARGV do redis.call('ZADD', due, at, ARGV[i]) end
-- include receipt.lua
return 1
