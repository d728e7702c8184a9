-- The archive: a delivered or withdrawn order is kept as a few packed bytes, and is unarchived when it moves again.
--
-- Not a script of its own: other scripts include it. An archived record is a field of one of 65,536 hashes of its target,
-- intake:archive:TARGET:<four digits of its key's SHA-1>; its history is one element of a page, a list that expires 30 days after its last element.
-- So nothing has to search for old orders, and no archived order costs a key: at a million orders 15 share a hash, at ten million 150.
-- Redis stores a hash compactly (as a listpack) while it has at most 512 fields (128 by some settings) and no field or value of more than
-- 64 bytes, so longer records are split into pieces. Beyond those limits the hash becomes a table: larger, but equally correct.
-- A history is only appended and read by its index, which a list does well at any length.
-- A live record (intake:order:TARGET:KEY) takes precedence over an archived one of the same key.

-- include ledger_time.lua
-- include correction.lua
-- include ids.lua

local PIECE = 64
local DAY = 86400000
local PAGE = 128
-- The same as KEEP_HISTORY_MS in worker/store/redis/keys.py.
local KEEP = 30 * DAY

-- `prefix` is "intake:order:TARGET:", so this keeps "TARGET:".
local function archive_key(prefix, key) return 'intake:archive:' .. string.sub(prefix, 14) .. string.sub(redis.sha1hex(key), 1, 4) end

-- A long order key is replaced by its hash. Order keys have no control characters, so no two fields collide.
local function archive_field(key) return #key > PIECE - 3 and '\2' .. redis.sha1hex(key) or key end

-- Encode digits as a number where that is lossless, and a SHA-256 as its bytes; any other text is marked with "=".
local function shorten(text)
  if text == false or text == nil then return false end
  if #text < 16 and string.match(text, '^[1-9]%d*$') then return tonumber(text) end
  if #text == 64 and not string.find(text, '[^0-9a-f]') then
    return '#' .. string.gsub(text, '..', function(digits) return string.char(tonumber(digits, 16)) end)
  end
  return '=' .. text
end

-- Decode what `shorten` returned.
local function lengthen(value)
  if type(value) == 'number' then return string.format('%.0f', value) end
  if not value then return nil end
  if string.sub(value, 1, 1) == '=' then return string.sub(value, 2) end
  return (string.gsub(string.sub(value, 2), '.', function(byte) return string.format('%02x', string.byte(byte)) end))
end

local function write_archived(prefix, key, archived)
  local hash, field = archive_key(prefix, key), archive_field(key)
  -- true: the reference is the order key without its provider; false: it is the target's id.
  local reference = archived.reference == string.match(key, ':(.*)$')
  if not reference and archived.reference ~= archived.target_id then reference = shorten(archived.reference) end
  -- The last two are the fingerprint of what the source says of an order that a person corrected (correction.lua), and the ties of few orders (ties.lua).
  -- Then the order key where the field is only its hash, the field fingerprints where an update may need them, and for few orders the marks "w" (it was
  -- withdrawn), "s" (it is not to be shipped) and "r" (a backfill requested it, though it was placed before the start).
  local marks = (archived.state == 'withdrawn' and 'w' or '') .. (archived.stop and 's' or '') .. (archived.requested and 'r' or '')
  local ties = archived.ties or nil
  local corrected = shorten(archived.corrected) or nil
  if ties and not corrected then corrected = false end
  marks = (marks ~= '' or corrected ~= nil) and marks or nil
  local values = {shorten(archived.version), shorten(archived.fingerprint), shorten(archived.done), shorten(archived.target_id),
    reference, archived.page, archived.index, field ~= key and key or false, archived.sent_fields or marks and '', marks, corrected, ties}
  local packed = cmsgpack.pack(unpack(values))
  local pieces = {field, string.sub(packed, 1, PIECE)}
  local n = 2
  while (n - 1) * PIECE < #packed do
    pieces[2 * n - 1], pieces[2 * n] = field .. '\1' .. n, string.sub(packed, (n - 1) * PIECE + 1, n * PIECE)
    n = n + 1
  end
  redis.call('HSET', hash, unpack(pieces))
  while redis.call('HDEL', hash, field .. '\1' .. n) == 1 do n = n + 1 end
end

local function delete_archived(prefix, key)
  local hash, field, n = archive_key(prefix, key), archive_field(key), 2
  redis.call('HDEL', hash, field)
  while redis.call('HDEL', hash, field .. '\1' .. n) == 1 do n = n + 1 end
end

-- A piece that is not full is the last one.
local function read_pieces(hash, field)
  local piece, n = redis.call('HGET', hash, field), 2
  local packed = piece
  while piece and #piece == PIECE do
    piece = redis.call('HGET', hash, field .. '\1' .. n) or ''
    packed, n = packed .. piece, n + 1
  end
  return packed
end

-- Return the archived record with the field names of a live one, or nil if there is none.
local function read_archived(prefix, key)
  local packed = read_pieces(archive_key(prefix, key), archive_field(key))
  if not packed then return nil end
  local version, fingerprint, done, target_id, reference, page, index, _, sent_fields, marks, corrected, ties = cmsgpack.unpack(packed)
  local archived = {state = 'delivered', version = lengthen(version), fingerprint = lengthen(fingerprint), done = lengthen(done),
    target_id = lengthen(target_id), page = page, index = index, sent_fields = sent_fields ~= '' and sent_fields or nil, corrected = lengthen(corrected),
    ties = ties}
  if marks and string.find(marks, 'w') then archived.state = 'withdrawn' end
  if marks and string.find(marks, 's') then archived.stop = '1' end
  if marks and string.find(marks, 'r') then archived.requested = '1' end
  if reference == true then
    archived.reference = string.match(key, ':(.*)$')
  else
    archived.reference = reference and lengthen(reference) or archived.target_id
  end
  return archived
end

local function page_key(prefix, page) return 'intake:histories:' .. string.sub(prefix, 14) .. page end

-- Return the lines of an archived order's history and, while they are kept, when it was first seen, who settled it, and the fingerprint sent.
local function read_history(prefix, archived)
  local packed = redis.call('LINDEX', page_key(prefix, archived.page), archived.index)
  if not packed or packed == '' then return {}, nil, nil, nil end
  local history = cmsgpack.unpack(packed)
  return history[1], history[2] or nil, history[3] or nil, history[4] == true and archived.fingerprint or lengthen(history[4])
end

-- The current page of each target to which this script has appended, and its length.
local current_pages = {}

-- Return the current page of a target: the next one if the last one is full.
local function read_current_page(prefix)
  local pages = 'intake:histories:' .. string.sub(prefix, 14, -2)
  local current = redis.call('HMGET', pages, 'page', 'day')
  local page, day = tonumber(current[1] or 0), math.floor(ledger_time()[1] * 1000 / DAY)
  -- A page ends with its day, so that no history is kept much longer than the others.
  if tonumber(current[2] or -1) ~= day or redis.call('LLEN', page_key(prefix, page)) >= PAGE then
    page = page + 1
    redis.call('HSET', pages, 'page', page, 'day', day)
  end
  return page
end

-- Append a history to the current page of its target; return the page and the index in it.
local function append_history(prefix, history)
  local current = current_pages[prefix]
  local is_new = not current or current[2] >= PAGE
  local page = is_new and read_current_page(prefix) or current[1]
  local length = redis.call('RPUSH', page_key(prefix, page), cmsgpack.pack(history))
  if is_new then redis.call('PEXPIRE', page_key(prefix, page), KEEP) end
  current_pages[prefix] = {page, length}
  return page, length - 1
end

-- Archive a delivered or withdrawn order that is on no lane; delete its payload.
local function archive(prefix, key, payloads, histories)
  local record = prefix .. key
  local live = redis.call('HMGET', record, 'version', 'fingerprint', 'done', 'target_id', 'reference', 'seen', 'settled', 'sent', 'sent_fields', 'state', 'stop',
    'requested', 'corrected', 'ties')
  local archived = {version = live[1], fingerprint = live[2], done = live[3], target_id = live[4], reference = live[5],
    sent_fields = live[9] or nil, state = live[10], stop = live[11], requested = live[12], corrected = live[13], ties = live[14]}
  if archived.corrected then redis.call('PEXPIRE', correction_key(prefix, key), KEEP) end
  local lines = redis.call('LRANGE', histories .. key, 0, -1)
  archived.page, archived.index = append_history(prefix, {lines, live[6], live[7], live[8] == live[2] or shorten(live[8])})
  write_archived(prefix, key, archived)
  note_archived_id(prefix, key, archived.target_id)
  redis.call('DEL', record, histories .. key, payloads .. key)
end

-- Make an archived order live again, with its record and its history. The caller then moves the order or archives it again.
local function unarchive(prefix, key, archived, histories)
  local lines, seen, settled, sent = read_history(prefix, archived)
  redis.call('DEL', histories .. key)
  for _, line in ipairs(lines) do redis.call('RPUSH', histories .. key, line) end
  if #lines > 0 then redis.call('LSET', page_key(prefix, archived.page), archived.index, '') end
  local record = prefix .. key
  for _, name in ipairs({'state', 'version', 'fingerprint', 'done', 'target_id', 'reference', 'sent_fields', 'stop', 'requested', 'corrected', 'ties'}) do
    if archived[name] then redis.call('HSET', record, name, archived[name]) end
  end
  if archived.corrected then redis.call('PERSIST', correction_key(prefix, key)) end
  revive_id(prefix, key, archived.target_id)
  if seen then redis.call('HSET', record, 'seen', seen) end
  if settled then redis.call('HSET', record, 'settled', settled) end
  if sent then redis.call('HSET', record, 'sent', sent) end
  delete_archived(prefix, key)
end
