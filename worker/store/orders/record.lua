#!lua flags=no-writes
-- Read the records of one target, live or archived.

local record_prefix, history_prefix = unpack(ARGV, 1, 2)
-- Then for each order: key
--
-- Returns for each order {field, value...}, {line of its history...}; both are empty if it is unknown. sent_fields are in hex.

-- include archive.lua

-- Redis keeps bytes, and clients read texts.
local function hex(bytes) return (string.gsub(bytes, '.', function(byte) return string.format('%02x', string.byte(byte)) end)) end

local response = {}
for i = 3, #ARGV do
  local key = ARGV[i]
  local fields = {}
  local live = redis.call('HGETALL', record_prefix .. key)
  for n = 1, #live, 2 do
    if live[n] ~= 'tried_fields' then
      fields[#fields + 1] = live[n]
      fields[#fields + 1] = live[n] == 'sent_fields' and hex(live[n + 1]) or live[n + 1]
    end
  end
  local archived = #live == 0 and read_archived(record_prefix, key)
  local lines
  if archived then
    lines, archived.seen, archived.settled, archived.sent = read_history(record_prefix, archived)
    archived.page, archived.index = nil, nil
    if archived.sent_fields then archived.sent_fields = hex(archived.sent_fields) end
    for name, value in pairs(archived) do
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  else
    lines = redis.call('LRANGE', history_prefix .. key, 0, -1)
  end
  response[#response + 1] = {fields, lines}
end
return response
