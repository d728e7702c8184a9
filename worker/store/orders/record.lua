#!lua flags=no-writes
-- Read the records of one target, whether they live or are at rest.
--
-- KEYS  none   ARGV  1 prefix of order records  2 prefix of stories  then the order keys
-- Returns by order {field, value...}, {line of its story...}; both empty if it is not known.

-- include rest.lua

local answer = {}
for i = 3, #ARGV do
  local key = ARGV[i]
  local fields = redis.call('HGETALL', ARGV[1] .. key)
  local rest = #fields == 0 and at_rest(ARGV[1], key)
  local lines
  if rest then
    lines, rest.seen, rest.settled, rest.sent = told(ARGV[1], key, rest, ARGV[2])
    rest.page, rest.line = nil, nil
    for name, value in pairs(rest) do
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  else
    lines = redis.call('LRANGE', ARGV[2] .. key, 0, -1)
  end
  answer[#answer + 1] = {fields, lines}
end
return answer
