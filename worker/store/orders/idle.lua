#!lua flags=no-writes
-- Return which lanes have nothing that a sweep could find or would change.

-- Then for each lane: lane, due, drains, doubt, searches, oldest
-- oldest is the note of the last sweep that saw an order wait.
--
-- Returns for each lane 1 if it is idle: no order waits or is in doubt, no drain holds one, no pause has to end, and nothing is noted of an order that waited. Else 0.

local response = {}
for i = 1, #ARGV, 6 do
  local lane, due, drains, doubt, searches, oldest = unpack(ARGV, i, i + 5)
  local idle = redis.call('EXISTS', due, drains, doubt, searches) == 0 and (redis.call('GET', oldest) or '') == ''
    and redis.call('HEXISTS', lane, 'paused') == 0
  response[#response + 1] = idle and 1 or 0
end
return response
