-- The part of Redis' cmsgpack library that our scripts use: no tables with string keys, and no fractions.
local byte, char, sub, floor = string.byte, string.char, string.sub, math.floor

local function big(value, bytes)
  local digits = {}
  for n = bytes, 1, -1 do
    digits[n] = char(value % 256)
    value = floor(value / 256)
  end
  return table.concat(digits)
end

local function headed(size, small, most, heads)
  if size <= most then return char(small + size) end
  if size < 256 and heads[1] then return char(heads[1]) .. char(size) end
  if size < 65536 then return char(heads[2]) .. big(size, 2) end
  return char(heads[3]) .. big(size, 4)
end

local function number(value)
  if value ~= floor(value) or value < -32 or value >= 2 ^ 53 then error('cmsgpack: this number is not known here') end
  if value < 0 then return char(256 + value) end
  if value < 128 then return char(value) end
  if value < 256 then return '\204' .. char(value) end
  if value < 65536 then return '\205' .. big(value, 2) end
  if value < 4294967296 then return '\206' .. big(value, 4) end
  return '\207' .. big(value, 8)
end

local function packed(value)
  local kind = type(value)
  if kind == 'string' then return headed(#value, 160, 31, {217, 218, 219}) .. value end
  if kind == 'number' then return number(value) end
  if kind == 'boolean' then return value and '\195' or '\194' end
  if kind == 'nil' then return '\192' end
  local items, count = {}, 0
  for _ in pairs(value) do count = count + 1 end
  if count ~= #value then error('cmsgpack: this table is not known here') end
  for n = 1, count do items[n] = packed(value[n]) end
  return headed(count, 144, 15, {nil, 220, 221}) .. table.concat(items)
end

local function read(text, at, bytes)
  local value = 0
  for n = at, at + bytes - 1 do value = value * 256 + byte(text, n) end
  return value
end

local unpacked

local function items(text, at, count)
  local found = {}
  for n = 1, count do found[n], at = unpacked(text, at) end
  return found, at
end

-- Return the value that begins at a position, and the position of the next one.
function unpacked(text, at)
  local head = byte(text, at)
  at = at + 1
  if head < 128 then return head, at end
  if head >= 224 then return head - 256, at end
  if head >= 160 and head < 192 then return sub(text, at, at + head - 161), at + head - 160 end
  if head >= 144 and head < 160 then return items(text, at, head - 144) end
  if head == 192 then return nil, at end
  if head == 194 or head == 195 then return head == 195, at end
  if head >= 204 and head <= 207 then
    local bytes = 2 ^ (head - 204)
    return read(text, at, bytes), at + bytes
  end
  if head >= 217 and head <= 219 then
    local bytes = 2 ^ (head - 217)
    local size = read(text, at, bytes)
    return sub(text, at + bytes, at + bytes + size - 1), at + bytes + size
  end
  if head == 220 or head == 221 then
    local bytes = 2 ^ (head - 219)
    return items(text, at + bytes, read(text, at, bytes))
  end
  error('cmsgpack: what begins with ' .. head .. ' is not known here')
end

return {
  pack = function(...)
    local texts = {}
    for n = 1, select('#', ...) do texts[n] = packed((select(n, ...))) end
    return table.concat(texts)
  end,
  unpack = function(text)
    local values, count, at = {}, 0, 1
    while at <= #text do
      count = count + 1
      values[count], at = unpacked(text, at)
    end
    return unpack(values, 1, count)
  end,
}
