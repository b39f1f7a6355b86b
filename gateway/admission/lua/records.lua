-- Reading and writing what is stored, and what of it is kept in memory during one call.

local meta, since, awaited
local route_cache, slots_cache, alive_cache

local function read(ticket)
  local packed = call('HGET', P .. ':t', ticket)
  return packed and cmsgpack.unpack(packed)
end

local function write(ticket, t)
  call('HSET', P .. ':t', ticket, cmsgpack.pack(t))
end

local function number(key, field, default)
  local value = call('HGET', P .. key, field)
  return value and tonumber(value) or default
end

local function route_of(id)
  local route = route_cache[id]
  if route == nil then
    local packed = call('HGET', P .. ':routes', id)
    route = packed and cmsgpack.unpack(packed) or false
    route_cache[id] = route
  end
  return route
end

-- Every line in which somebody waits, as {flow, route}.
local function lines()
  local found = {}
  for _, route in ipairs(call('HKEYS', P .. ':routes')) do
    for _, flow in ipairs(call('HKEYS', P .. ':work:' .. route)) do
      found[#found + 1] = {flow, route}
    end
  end
  return found
end

-- Wait for so many replicas, if fewer have come since the silence.
local function await(replicas)
  awaited = 0
  if replicas > 1 and now - since < PATIENCE
      and call('ZCOUNT', P .. ':replicas', since, '+inf') < replicas then
    awaited = replicas
    call('HSET', P .. ':meta', 'awaited', awaited)
  elseif meta[5] then
    call('HDEL', P .. ':meta', 'awaited')
  end
end

at_the_start[#at_the_start + 1] = function()
  route_cache, slots_cache, alive_cache = {}, {}, {}
  meta = call('HMGET', P .. ':meta', 'now', 'more', 'tested', 'since', 'awaited')
  local last = tonumber(meta[1] or 0)
  if last > now then now = last end
  call('HSET', P .. ':meta', 'now', now)
  since, awaited = tonumber(meta[4] or 0), tonumber(meta[5] or 0)
  if now - last > SILENCE then
    since = now
    call('HSET', P .. ':meta', 'since', now)
  end
  if awaited > 0 then await(awaited) end
end

-- None while replicas are awaited: they may hold them.
local function slots_of(runner)
  if awaited > 0 then return 0 end
  local slots = slots_cache[runner]
  if not slots then
    slots = number(':slots', runner, 0)
    slots_cache[runner] = slots
  end
  return slots
end

local function in_flight(runner)
  return call('ZCARD', P .. ':lease:' .. runner)
end

local function fits(runner, replica)
  return tonumber(call('HGET', P .. ':fit:' .. runner, replica) or 0) > 0
end

local function alive(replica)
  local known = alive_cache[replica]
  if known == nil then
    local seen = call('ZSCORE', P .. ':replicas', replica)
    known = seen and now - tonumber(seen) <= ALIVE or false
    alive_cache[replica] = known
  end
  return known
end

local function add_load(runner, cost)
  if call('HINCRBY', P .. ':load', runner, cost) <= 0 then call('HDEL', P .. ':load', runner) end
end

local function mail(replica, ...)
  local key = P .. ':mail:' .. replica
  call('XADD', key, 'MAXLEN', '~', MAIL_KEPT, '*', 'm', cmsgpack.pack({...}))
  call('PEXPIRE', key, 60000)
end
