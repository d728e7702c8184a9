-- The rest of an order: from its delivery on its record is a few packed bytes, and wakes when the order moves again.
--
-- No script of its own: the others include it. A record at rest stands in one of 65,536 hashes of its target,
-- intake:done:TARGET:<four digits of its key's SHA-1>, and its story in a page, a list that ends 30 days after its last line.
-- So nobody has to look for what is old, and no order costs a key: at a million orders 15 share a hash, at ten million 150. A hash is
-- one block of memory (a listpack) as long as it has no more than 512 fields (128 by some settings) and no field or value of more than 64 bytes:
-- what is longer is cut into pieces. Beyond that it becomes a table, which is bigger, and as right.
-- A story is only ever appended and looked up by its place, which a list does at any length.
-- A record that lives (intake:order:TARGET:KEY) goes before one at rest of the same key.

local PIECE = 64
local DAY = 86400000
local PAGE = 128
-- As KEEP_STORY in worker/store/orders/lanes.py.
local KEEP = 30 * DAY

-- The part of a name behind "intake:order:", which is "TARGET:".
local function place(prefix, key) return 'intake:done:' .. string.sub(prefix, 14) .. string.sub(redis.sha1hex(key), 1, 4) end
-- An order key has no control characters, so no two fields can meet.
local function field(key) return #key > PIECE - 3 and '\2' .. redis.sha1hex(key) or key end

-- Since the workers of the release before, which do not know of rest, are certainly gone.
local resting
local function may_rest()
  if resting == nil then
    local since = redis.call('HGET', 'intake:ledger', 'rests')
    local time = redis.call('TIME')
    resting = since and time[1] * 1000 + math.floor(time[2] / 1000) >= tonumber(since) or false
  end
  return resting
end

-- Digits as a number, where nothing is lost by it; a SHA-256 as its bytes; each told from any other text.
local function small(text)
  if text == false or text == nil then return false end
  if #text < 16 and string.match(text, '^[1-9]%d*$') then return tonumber(text) end
  if #text == 64 and not string.find(text, '[^0-9a-f]') then
    return '#' .. string.gsub(text, '..', function(two) return string.char(tonumber(two, 16)) end)
  end
  return '=' .. text
end

local function whole(value)
  if type(value) == 'number' then return string.format('%.0f', value) end
  if not value then return nil end
  if string.sub(value, 1, 1) == '=' then return string.sub(value, 2) end
  return (string.gsub(string.sub(value, 2), '.', function(one) return string.format('%02x', string.byte(one)) end))
end

local function put(prefix, key, rest)
  local name, of = place(prefix, key), field(key)
  -- true: as the key says; false: the target's id.
  local reference = rest.reference == string.match(key, ':(.*)$')
  if not reference and rest.reference ~= rest.target_id then reference = small(rest.reference) end
  local packed = cmsgpack.pack(small(rest.version), small(rest.fingerprint), small(rest.done), small(rest.target_id), reference,
    rest.page or 0, rest.line or 0, of ~= key and key or false)
  local pieces = math.ceil(#packed / PIECE)
  redis.call('HSET', name, of, string.sub(packed, 1, PIECE))
  for n = 2, pieces do
    redis.call('HSET', name, of .. '\1' .. n, string.sub(packed, (n - 1) * PIECE + 1, n * PIECE))
  end
  local n = pieces + 1
  while redis.call('HDEL', name, of .. '\1' .. n) == 1 do n = n + 1 end
end

local function take_out(prefix, key)
  local name, of, n = place(prefix, key), field(key), 2
  redis.call('HDEL', name, of)
  while redis.call('HDEL', name, of .. '\1' .. n) == 1 do n = n + 1 end
end

-- A piece that is not full is the last one.
local function bytes_of(name, of)
  local piece, n = redis.call('HGET', name, of), 2
  local packed = piece
  while piece and #piece == PIECE do
    piece = redis.call('HGET', name, of .. '\1' .. n) or ''
    packed, n = packed .. piece, n + 1
  end
  return packed
end

-- The order key of a field, which a long one is not itself.
local function key_of(name, of)
  return string.sub(of, 1, 1) == '\2' and select(8, cmsgpack.unpack(bytes_of(name, of))) or of
end

-- The record at rest, by the names that it has when it lives; nil if there is none.
local function at_rest(prefix, key)
  local packed = bytes_of(place(prefix, key), field(key))
  if not packed then return nil end
  local version, fingerprint, done, target_id, reference, page, line = cmsgpack.unpack(packed)
  local rest = {state = 'delivered', version = whole(version), fingerprint = whole(fingerprint), done = whole(done),
    target_id = whole(target_id), page = page, line = line}
  if reference == true then
    rest.reference = string.match(key, ':(.*)$')
  else
    rest.reference = reference and whole(reference) or rest.target_id
  end
  return rest
end

local function page_of(prefix, page) return 'intake:told:' .. string.sub(prefix, 14) .. page end

-- The lines of its story, and what is known as long as they are: when it was first seen, who settled it, what was sent.
local function told(prefix, key, rest, stories)
  local packed = rest.page > 0 and redis.call('LINDEX', page_of(prefix, rest.page), rest.line - 1)
  if not packed or packed == '' then return redis.call('LRANGE', stories .. key, 0, -1), nil, nil end
  local known = cmsgpack.unpack(packed)
  return known[1], known[2] or nil, known[3] or nil, known[4] == true and rest.fingerprint or whole(known[4])
end

local function tell_page(prefix, story)
  local pages = 'intake:told:' .. string.sub(prefix, 14, -2)
  local known = redis.call('HMGET', pages, 'page', 'day')
  local page, day = tonumber(known[1] or 0), math.floor(redis.call('TIME')[1] * 1000 / DAY)
  -- A page ends with its day, so that no story is kept for much longer than the others.
  if tonumber(known[2] or -1) ~= day or redis.call('LLEN', page_of(prefix, page)) >= PAGE then
    page = page + 1
    redis.call('HSET', pages, 'page', page, 'day', day)
  end
  local line = redis.call('RPUSH', page_of(prefix, page), cmsgpack.pack(story))
  redis.call('PEXPIRE', page_of(prefix, page), KEEP)
  return page, line
end

-- Lay an order to rest that is delivered, and on no lane; its payload goes in any case.
local function lay(prefix, key, payloads, stories)
  redis.call('DEL', payloads .. key)
  if not may_rest() then return redis.call('PEXPIRE', stories .. key, KEEP) end
  local record = prefix .. key
  local known = redis.call('HMGET', record, 'version', 'fingerprint', 'done', 'target_id', 'reference', 'seen', 'settled', 'sent')
  local rest = {version = known[1], fingerprint = known[2], done = known[3], target_id = known[4], reference = known[5]}
  local lines = redis.call('LRANGE', stories .. key, 0, -1)
  rest.page, rest.line = tell_page(prefix, {lines, known[6], known[7], known[8] == known[2] or small(known[8])})
  put(prefix, key, rest)
  redis.call('DEL', record, stories .. key)
end

-- Wake an order: its record and its story live again, as if it had never rested. Whoever wakes it either moves it or lays it down again.
local function wake(prefix, key, rest, stories)
  local lines, seen, settled, sent = told(prefix, key, rest, stories)
  if rest.page > 0 then
    redis.call('DEL', stories .. key)
    for _, line in ipairs(lines) do redis.call('RPUSH', stories .. key, line) end
    if #lines > 0 then redis.call('LSET', page_of(prefix, rest.page), rest.line - 1, '') end
  end
  local record = prefix .. key
  for _, name in ipairs({'state', 'version', 'fingerprint', 'done', 'target_id', 'reference'}) do
    if rest[name] then redis.call('HSET', record, name, rest[name]) end
  end
  if seen then redis.call('HSET', record, 'seen', seen) end
  if settled then redis.call('HSET', record, 'settled', settled) end
  if sent then redis.call('HSET', record, 'sent', sent) end
  take_out(prefix, key)
end
