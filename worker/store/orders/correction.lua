-- Corrections by a person (schemas/corrections.py), which lie on top of what the source says.
--
-- Not a script of its own: archive.lua includes it, and claim.lua does. The record of a corrected order has 'corrected', the fingerprint of what the source says;
-- its 'fingerprint' is that of what is sent. The payload is what the source says. The corrections are in intake:correction:TARGET:KEY, "<version> <JSON>": they
-- are personal, and end 30 days after the order came to its end, as its history does. The sorted set intake:corrections:TARGET has the orders that have any.

-- `prefix` is "intake:order:TARGET:".
local function correction_key(prefix, key) return 'intake:correction:' .. string.sub(prefix, 14) .. key end

local function correction_index(prefix) return 'intake:corrections:' .. string.sub(prefix, 14, -2) end

local function read_correction(prefix, key) return redis.call('GET', correction_key(prefix, key)) or '' end

-- Return the version of corrections, '' for none.
local function version_of(text) return string.match(text, '^(%S+) ') or '' end

-- Forget the corrections of an order with a live record: what the source says is what counts.
local function forget_correction(prefix, key)
  local record = prefix .. key
  local source = redis.call('HGET', record, 'corrected')
  if not source then return end
  redis.call('HSET', record, 'fingerprint', source)
  redis.call('HDEL', record, 'corrected')
  redis.call('DEL', correction_key(prefix, key))
  redis.call('ZREM', correction_index(prefix), key)
end

-- Write the corrections of an order with a live record, '' for none; `source` is the fingerprint of what the source says.
local function write_correction(prefix, key, text, source)
  if text == '' then
    redis.call('DEL', correction_key(prefix, key))
    redis.call('ZREM', correction_index(prefix), key)
    redis.call('HDEL', prefix .. key, 'corrected')
  else
    redis.call('SET', correction_key(prefix, key), text)
    redis.call('HSET', prefix .. key, 'corrected', source)
  end
end

-- Write what remains of the corrections after a newer version of the source; return the event for the history. `correction` is as in accept.lua. Where they are not
-- kept any more, 'corrected' stays, so that each further version is held until a person releases one (release.lua).
local function keep_correction(prefix, key, correction)
  if correction.seen == '' then
    redis.call('HSET', prefix .. key, 'corrected', correction.source)
  else
    write_correction(prefix, key, correction.text, correction.source)
  end
  return correction.event
end
