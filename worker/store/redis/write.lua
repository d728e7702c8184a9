#!lua flags=allow-oom
-- Run commands of the broker that a full Redis refused.

local most = unpack(ARGV, 1, 1)
-- Then for each command: command
--
-- command is a JSON array of the command's words. most is the length from which a queue takes no further message: the messages of a broker whose workers are
-- gone must not grow beyond the limit of the memory. A message that goes back into its queue was stored already, among those that workers have (HDEL).
--
-- Returns the reply to each command.
-- If repeated: a message is in the queue twice, which is no more than a nudge sent twice.

local replies, returned = {}, false
for i = 2, #ARGV do
  local command = cjson.decode(ARGV[i])
  returned = returned or command[1] == 'HDEL'
  if command[1] == 'LPUSH' and not returned and redis.call('LLEN', command[2]) >= tonumber(most) then
    return redis.error_reply('OOM the queue ' .. command[2] .. ' is too long for a Redis that is full')
  end
  replies[#replies + 1] = redis.call(unpack(command)) or false
end
return replies
