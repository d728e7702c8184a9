#!lua flags=allow-oom
-- Return the time of the ledger: {seconds, microseconds}.
--
-- If repeated: returns the time again.

-- include ledger_time.lua
return ledger_time()
