-- Fairness: start-time fair queueing between the flows of a pool, by predicted slot-time over
-- weight. A flow that begins to wait starts at the pool's virtual time, so that neither idling nor
-- having used spare capacity counts for it or against it later.

local function virtual(pool, rank)
  return kept(':v', pool .. ':' .. rank) or 0
end

local function any_ready(field)
  local number = ready_cache[field]
  if not number then
    number = call('ZCARD', P .. ':ready:' .. field)
    ready_cache[field] = number
  end
  return number > 0
end

-- The virtual time of a flow, and the zset it stands in.
local function standing(t)
  local field = t[POOL] .. ':' .. t[RANK]
  local at = any_ready(field) and call('ZSCORE', P .. ':ready:' .. field, t[FLOW])
  if at then return tonumber(at), ':ready:' .. field end
  at = tonumber(call('ZSCORE', P .. ':idle:' .. field, t[FLOW]) or 0)
  if at > virtual(t[POOL], t[RANK]) then return at, ':idle:' .. field end
  return nil, ':idle:' .. field
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

-- The pool moves on to where the flow stood whose ticket is dispatched.
local function move_on(field, own)
  local v = kept(':v', field) or 0
  if own <= v then return v end
  keep(':v', field, own)
  return own
end

-- Idle flows that a pool has come past are like any other.
at_the_end[#at_the_end + 1] = function()
  for field in pairs(changed[':v'] or {}) do
    call('ZREMRANGEBYSCORE', P .. ':idle:' .. field, '-inf', hashes[':v'][field])
  end
end

-- The flow of a newcomer pays.
local function charge(t)
  local own, where = standing(t)
  if where:sub(1, 5) == ':idle' then
    local v = virtual(t[POOL], t[RANK])
    own = own and own > v and math.min(own, v + HEAD_START * capacity(route_of(t[ROUTE]))) or v
  end
  move_on(t[POOL] .. ':' .. t[RANK], own)
  call('ZADD', P .. where, own + math.floor(t[COST] / t[WEIGHT]), t[FLOW])
end

-- The flow pays of a ticket that waited, and may have been the last of it that did.
local function charge_waiting(t)
  local field = t[POOL] .. ':' .. t[RANK]
  local own = tonumber(call('ZSCORE', P .. ':ready:' .. field, t[FLOW]))
  local v = move_on(field, own)
  own = own + math.floor(t[COST] / t[WEIGHT])
  if call('HINCRBY', P .. ':count:' .. t[POOL], t[FLOW], -1) > 0 then
    call('ZADD', P .. ':ready:' .. field, own, t[FLOW])
  else
    call('HDEL', P .. ':count:' .. t[POOL], t[FLOW])
    call('HDEL', P .. ':weight:' .. t[POOL], t[FLOW])
    call('ZREM', P .. ':ready:' .. field, t[FLOW])
    ready_cache[field] = nil
    if own > v then call('ZADD', P .. ':idle:' .. field, own, t[FLOW]) end
  end
end

-- The difference in virtual time between what a request really took and what was predicted.
local function difference(t, actual)
  return math.floor(actual / t[WEIGHT]) - math.floor(t[COST] / t[WEIGHT])
end

-- The flow stands so much later, or earlier, than it did.
local function shift(t, delta, own, where)
  if delta == 0 then return end
  local v = virtual(t[POOL], t[RANK])
  local at = (own or v) + delta
  if where:sub(1, 6) == ':ready' or at > v then
    call('ZADD', P .. where, at, t[FLOW])
  elseif own then
    call('ZREM', P .. where, t[FLOW])
  end
end

-- The flow pays what its request really took in place of what was predicted.
local function settle(t, actual)
  shift(t, difference(t, actual), standing(t))
end

-- `at`: where its flow stands from now on if nothing else of it waits; `at_pool`: as `start` says.
local function enqueue(ticket, t, at, at_pool)
  call('ZADD', P .. ':line:' .. t[FLOW] .. ':' .. t[ROUTE], t[ORDER], ticket)
  call('ZADD', P .. ':dead', t[LATEST], ticket)
  call('HINCRBY', P .. ':work:' .. t[ROUTE], t[FLOW], t[COST])
  local route, new = route_of(t[ROUTE]), false
  for _, runner in ipairs(route[2]) do
    new = tonumber(call('ZINCRBY', P .. ':at:' .. runner, 1, t[ROUTE])) == 1
    at_cache[runner] = nil
  end
  if new then call('HSET', P .. ':routes', t[ROUTE], cmsgpack.pack(route)) end
  local first = call('HINCRBY', P .. ':count:' .. t[POOL], t[FLOW], 1) == 1
  if first then
    local field = t[POOL] .. ':' .. t[RANK]
    call('ZADD', P .. ':ready:' .. field, at, t[FLOW])
    ready_cache[field] = nil
    call('HSET', P .. ':weight:' .. t[POOL], t[FLOW], t[WEIGHT])
    if at_pool then
      call('HSET', P .. ':tail', field, at)
    else
      call('ZREM', P .. ':idle:' .. field, t[FLOW])
    end
  end
  t[STATE], t[RUNNER], t[FENCE], t[GRANTED] = WAITING, '', 0, 0
  write(ticket, t)
  return first
end

local function leave_line(ticket, t)
  local work = P .. ':work:' .. t[ROUTE]
  call('ZREM', P .. ':line:' .. t[FLOW] .. ':' .. t[ROUTE], ticket)
  call('ZREM', P .. ':dead', ticket)
  if call('HINCRBY', work, t[FLOW], -t[COST]) <= 0 then call('HDEL', work, t[FLOW]) end
  for _, runner in ipairs(route_of(t[ROUTE])[2]) do
    local at = P .. ':at:' .. runner
    at_cache[runner] = nil
    if tonumber(call('ZINCRBY', at, -1, t[ROUTE])) <= 0 then call('ZREM', at, t[ROUTE]) end
  end
end

-- A ticket leaves that is not dispatched.
local function deactivate(t)
  local counts, field = P .. ':count:' .. t[POOL], t[POOL] .. ':' .. t[RANK]
  if call('HINCRBY', counts, t[FLOW], -1) > 0 then return end
  call('HDEL', counts, t[FLOW])
  call('HDEL', P .. ':weight:' .. t[POOL], t[FLOW])
  local own = tonumber(call('ZSCORE', P .. ':ready:' .. field, t[FLOW]))
  call('ZREM', P .. ':ready:' .. field, t[FLOW])
  ready_cache[field] = nil
  if own and own > virtual(t[POOL], t[RANK]) then call('ZADD', P .. ':idle:' .. field, own, t[FLOW]) end
end

local function drop(ticket, t)
  leave_line(ticket, t)
  deactivate(t)
  call('HDEL', P .. ':t', ticket)
end
