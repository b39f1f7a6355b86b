-- Reading and writing what is stored.

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
  local number = flight_cache[runner]
  if not number then
    number = call('ZCARD', P .. ':lease:' .. runner)
    flight_cache[runner] = number
  end
  return number
end

-- So many leases more than before.
local function count_lease(runner, more)
  if flight_cache[runner] then flight_cache[runner] = flight_cache[runner] + more end
end

local function fits(runner, replica)
  local known = fit_cache[runner]
  if not known then
    known = {}
    fit_cache[runner] = known
  end
  if known[replica] == nil then
    known[replica] = tonumber(call('HGET', P .. ':fit:' .. runner, replica) or 0) > 0
  end
  return known[replica]
end

-- The routes of which tickets wait that could be served there.
local function routes_at(runner)
  local routes = at_cache[runner]
  if not routes then
    routes = call('ZRANGE', P .. ':at:' .. runner, 0, -1)
    at_cache[runner] = routes
  end
  return routes
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

local function load_of(runner)
  return kept(':load', runner) or 0
end

local function add_load(runner, cost)
  local load = load_of(runner) + cost
  keep(':load', runner, load > 0 and load)
end

local function mail(replica, ...)
  call('XADD', P .. ':mail:' .. replica, 'MAXLEN', '~', MAIL_KEPT, '*', 'm', cmsgpack.pack({...}))
end
