#!lua flags=no-writes
-- Read the records of one target, whether they are live or archived.
--
-- KEYS  none   ARGV  1 prefix of order records  2 prefix of stories  then the order keys
-- Returns by order {field, value...}, {line of its story...}; both empty if it is not known.

-- include archive.lua

local answer = {}
for i = 3, #ARGV do
  local key = ARGV[i]
  local fields = redis.call('HGETALL', ARGV[1] .. key)
  local archived = #fields == 0 and read_archived(ARGV[1], key)
  local lines
  if archived then
    lines, archived.seen, archived.settled, archived.sent = read_history(ARGV[1], archived)
    archived.page, archived.index = nil, nil
    for name, value in pairs(archived) do
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  else
    lines = redis.call('LRANGE', ARGV[2] .. key, 0, -1)
  end
  answer[#answer + 1] = {fields, lines}
end
return answer
