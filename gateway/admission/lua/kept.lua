-- What one call reads once at most, and writes at its end where it has changed: requests of one turn
-- use the same few numbers, and a command costs more than all that is done with its reply.

local meta, since, awaited    -- of :meta
local hashes                  -- key -> field -> number, or false where there is none
local changed                 -- key -> field -> true
local route_cache, slots_cache, alive_cache, fit_cache, flight_cache, at_cache, ready_cache
local reaped                  -- runner -> true: no lease there has ended by itself up to now

local function kept(key, field)
  local known = hashes[key]
  if not known then
    known = {}
    hashes[key] = known
  end
  local value = known[field]
  if value == nil then
    value = call('HGET', P .. key, field)
    value = value and tonumber(value)
    known[field] = value
  end
  return value
end

-- `value` false: the field goes.
local function keep(key, field, value)
  if not hashes[key] then hashes[key] = {} end
  hashes[key][field] = value
  if not changed[key] then changed[key] = {} end
  changed[key][field] = true
end

local function write_back(key, fields)
  local set, gone = {}, {}
  for field in pairs(fields) do
    local value = hashes[key][field]
    if value then
      set[#set + 1], set[#set + 2] = field, value
    else
      gone[#gone + 1] = field
    end
  end
  if #set > 0 then call('HSET', P .. key, unpack(set)) end
  if #gone > 0 then call('HDEL', P .. key, unpack(gone)) end
end

at_the_start[#at_the_start + 1] = function()
  hashes, changed, reaped = {}, {}, {}
  route_cache, slots_cache, alive_cache, fit_cache = {}, {}, {}, {}
  flight_cache, at_cache, ready_cache = {}, {}, {}
  meta = call('HMGET', P .. ':meta', 'now', 'more', 'tested', 'since', 'awaited', 'fence')
  hashes[':meta'] = {fence = meta[6] and tonumber(meta[6])}
  local last = tonumber(meta[1] or 0)
  if last > now then now = last end
  keep(':meta', 'now', now)
  since, awaited = tonumber(meta[4] or 0), tonumber(meta[5] or 0)
  if now - last > SILENCE then
    since = now
    keep(':meta', 'since', now)
  end
end

at_the_end[#at_the_end + 1] = function()
  for key, fields in pairs(changed) do write_back(key, fields) end
end
