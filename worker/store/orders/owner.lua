-- A reference belongs to one order of a target: to a target, two orders with one reference are one.
--
-- Not a script of its own: accept.lua includes it after archive.lua. The owner of a reference that could be another order's is a field of one of 65,536 hashes
-- of its target, intake:references:TARGET:<four digits of the SHA-1 of the reference>. A reference that follows from one order key alone needs none.

local function owners(reference)
  return string.format('intake:references:%s%s', string.sub(record_prefix, 14), string.sub(redis.sha1hex(reference), 1, 4))
end

local function has_reference(key, reference)
  local known = redis.call('HGET', record_prefix .. key, 'reference')
  return (known or (read_archived(record_prefix, key) or {}).reference) == reference
end

-- Return the key of another order that has the reference. `shared` is '' (no other one can have it), or else "+" (note this order as its owner) or "-", and the
-- keys of the orders that other templates would give it, one a line.
local function other_owner(key, reference, shared)
  if shared == '' then return nil end
  local owner = redis.call('HGET', owners(reference), archive_field(reference))
  if owner and owner ~= key then return owner end
  for rival in string.gmatch(string.sub(shared, 2), '[^\n]+') do
    if has_reference(rival, reference) then return rival end
  end
  if string.sub(shared, 1, 1) == '+' then redis.call('HSET', owners(reference), archive_field(reference), key) end
  return nil
end
