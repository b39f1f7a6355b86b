-- Fairness: start-time fair queueing between the flows of a pool, by predicted slot-time over
-- weight. A flow that begins to wait starts at the pool's virtual time, so that neither idling nor
-- having used spare capacity counts for it or against it later.

local function virtual(pool, rank)
  return number(':v', pool .. ':' .. rank, 0)
end

-- The virtual time of a flow, and the zset it stands in.
local function standing(t)
  local rest = ':' .. t[POOL] .. ':' .. t[RANK]
  local at = call('ZSCORE', P .. ':ready' .. rest, t[FLOW])
  if at then return tonumber(at), ':ready' .. rest end
  at = call('ZSCORE', P .. ':idle' .. rest, t[FLOW])
  if at then return tonumber(at), ':idle' .. rest end
  return nil, ':idle' .. rest
end

local function capacity(route)
  local total = 0
  for _, runner in ipairs(route[2]) do total = total + slots_of(runner) end
  return math.max(1, total)
end

-- Where a flow starts that has nothing waiting: never behind the pool, nor too far ahead of it.
-- Flows that start at the pool's own time stand a microsecond apart, so that they are served in the
-- order in which they came. The second value says whether it is such a place.
local function start(t, own)
  local field = t[POOL] .. ':' .. t[RANK]
  local v = virtual(t[POOL], t[RANK])
  if own and own > v then
    return math.min(own, v + HEAD_START * capacity(route_of(t[ROUTE]))), false
  end
  local last = number(':tail', field, -1)
  return last >= v and last + 1 or v, true
end

-- A ticket of the flow is dispatched: the pool moves on to where the flow stood, the flow pays.
local function charge(t)
  local own, where = standing(t)
  local field = t[POOL] .. ':' .. t[RANK]
  local v = virtual(t[POOL], t[RANK])
  if where:sub(1, 5) == ':idle' then
    own = own and own > v and math.min(own, v + HEAD_START * capacity(route_of(t[ROUTE]))) or v
  end
  if own > v then
    call('HSET', P .. ':v', field, own)
    call('ZREMRANGEBYSCORE', P .. ':idle:' .. field, '-inf', own)
  end
  call('ZADD', P .. where, own + math.floor(t[COST] / t[WEIGHT]), t[FLOW])
end

-- The flow pays what its request really took in place of what was predicted.
local function settle(t, actual)
  local delta = math.floor(actual / t[WEIGHT]) - math.floor(t[COST] / t[WEIGHT])
  if delta == 0 then return end
  local own, where = standing(t)
  local v = virtual(t[POOL], t[RANK])
  local at = (own or v) + delta
  if where:sub(1, 6) == ':ready' or at > v then
    call('ZADD', P .. where, at, t[FLOW])
  elseif own then
    call('ZREM', P .. where, t[FLOW])
  end
end

-- `place`: where its flow stands from now on if nothing else of it waits; else it begins anew.
local function enqueue(ticket, t, label, place)
  local line = t[FLOW] .. ':' .. t[ROUTE]
  call('ZADD', P .. ':line:' .. line, t[ORDER], ticket)
  call('ZADD', P .. ':dead', t[LATEST], ticket)
  call('HINCRBY', P .. ':work', line, t[COST])
  for _, runner in ipairs(route_of(t[ROUTE])[2]) do
    call('ZINCRBY', P .. ':at:' .. runner, 1, t[ROUTE])
  end
  if call('HINCRBY', P .. ':count', t[POOL] .. ':' .. t[FLOW], 1) == 1 then
    local own, where = standing(t)
    local field = t[POOL] .. ':' .. t[RANK]
    if not place then
      local at_pool
      place, at_pool = start(t, own)
      if at_pool then call('HSET', P .. ':tail', field, place) end
    end
    call('ZADD', P .. ':ready:' .. field, place, t[FLOW])
    if own then call('ZREM', P .. where, t[FLOW]) end
    if label then
      if call('HLEN', P .. ':flow') > 10000 then call('DEL', P .. ':flow') end
      call('HSET', P .. ':flow', t[FLOW], cmsgpack.pack({t[WEIGHT], t[RANK], label}))
    end
  end
  t[STATE], t[RUNNER], t[FENCE], t[GRANTED] = WAITING, '', 0, 0
  write(ticket, t)
end

local function leave_line(ticket, t)
  local line = t[FLOW] .. ':' .. t[ROUTE]
  call('ZREM', P .. ':line:' .. line, ticket)
  call('ZREM', P .. ':dead', ticket)
  if call('HINCRBY', P .. ':work', line, -t[COST]) <= 0 then call('HDEL', P .. ':work', line) end
  for _, runner in ipairs(route_of(t[ROUTE])[2]) do
    local at = P .. ':at:' .. runner
    if tonumber(call('ZINCRBY', at, -1, t[ROUTE])) <= 0 then call('ZREM', at, t[ROUTE]) end
  end
end

-- Called once the flow has been charged for the ticket, if it is to be.
local function deactivate(t)
  local field = t[POOL] .. ':' .. t[FLOW]
  if call('HINCRBY', P .. ':count', field, -1) > 0 then return end
  call('HDEL', P .. ':count', field)
  local own, where = standing(t)
  call('ZREM', P .. where, t[FLOW])
  if own > virtual(t[POOL], t[RANK]) then
    call('ZADD', P .. ':idle:' .. t[POOL] .. ':' .. t[RANK], own, t[FLOW])
  end
end

local function drop(ticket, t)
  leave_line(ticket, t)
  deactivate(t)
  call('HDEL', P .. ':t', ticket)
end
