-- Leave a receipt for the writes of this script (see receipts.py); a receipt without a number is not left.
if receipt ~= '0' then
  redis.call('SADD', receipts, receipt)
  redis.call('PEXPIRE', receipts, 86400000)
end
