#!lua flags=no-writes
-- Return 1 if the user of this connection may write to the ledger, else 0; no refusal is logged.
--
-- If repeated: returns the same.

local probe = unpack(KEYS)
return (not redis.acl_check_cmd or redis.acl_check_cmd('HSET', probe, 'field', 'value')) and 1 or 0
