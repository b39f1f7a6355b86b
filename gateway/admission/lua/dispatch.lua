-- Dispatch: who gets a slot that is free.

-- Once its flow has paid.
local function grant(ticket, t, runner, state, lasts)
  t[STATE], t[RUNNER], t[GRANTED] = state, runner, now
  t[FENCE] = (kept(':meta', 'fence') or 0) + 1
  keep(':meta', 'fence', t[FENCE])
  call('ZADD', P .. ':lease:' .. runner, now + lasts, ticket)
  count_lease(runner, 1)
  add_load(runner, t[COST])
  write(ticket, t)
end

-- Take a lease away. The flow has paid what was predicted; whoever knows better settles.
local function end_lease(ticket, t)
  count_lease(t[RUNNER], -call('ZREM', P .. ':lease:' .. t[RUNNER], ticket))
  call('HDEL', P .. ':t', ticket)
  add_load(t[RUNNER], -t[COST])
end

-- Leases that ended by themselves. An offer goes back to its place in line; the lease of a replica
-- that stalled or died is gone.
local function reap(runner)
  if reaped[runner] then return false end
  local gone = call('ZRANGEBYSCORE', P .. ':lease:' .. runner, '-inf', now, 'LIMIT', 0,
                    MOST_REAPED)
  for _, ticket in ipairs(gone) do
    local t = read(ticket)
    if t then
      local offered = t[STATE] == OFFERED
      end_lease(ticket, t)
      if offered then
        local place = (standing(t) or virtual(t[POOL], t[RANK])) - math.floor(t[COST] / t[WEIGHT])
        settle(t, 0)
        enqueue(ticket, t, place, false)
      end
    else
      count_lease(runner, -call('ZREM', P .. ':lease:' .. runner, ticket))
    end
  end
  reaped[runner] = #gone < MOST_REAPED
  return #gone > 0
end

-- The first ticket of a line that this runner may have now. Tickets that can never be dispatched
-- are dropped on the way; `dropped` says whether any was.
local function head(line, runner)
  local passed, dropped = 0, false
  while true do
    local tickets = call('ZRANGE', P .. ':line:' .. line, passed, passed + SCAN - 1)
    if #tickets == 0 then return nil, nil, dropped end
    for _, ticket in ipairs(tickets) do
      local t = read(ticket)
      if not t then
        call('ZREM', P .. ':line:' .. line, ticket)
      elseif t[LATEST] < now or not alive(t[REPLICA]) then
        drop(ticket, t)
        dropped = true
      elseif fits(runner, t[REPLICA]) then
        return ticket, t, dropped
      else
        passed = passed + 1
      end
    end
  end
end

local function head_of_flow(flow, routes, runner)
  local best, best_t, dropped = nil, nil, false
  for _, route in ipairs(routes) do
    local ticket, t, any = head(flow .. ':' .. route, runner)
    dropped = dropped or any
    if ticket and (not best or t[ORDER] < best_t[ORDER]
        or (t[ORDER] == best_t[ORDER] and ticket < best)) then
      best, best_t = ticket, t
    end
  end
  return best, best_t, dropped
end

-- The flows of one pool and rank, least virtual time first, until one has a ticket for the runner.
local function first_of(pool, rank, routes, runner)
  local key = P .. ':ready:' .. pool .. ':' .. rank
  local from = 0
  while true do
    local flows = call('ZRANGE', key, from, from + 15)
    if #flows == 0 then return nil, nil end
    local any = false
    for _, flow in ipairs(flows) do
      local ticket, t, dropped = head_of_flow(flow, routes, runner)
      if ticket then return ticket, t end
      any = any or dropped
    end
    -- Dropping may have shifted the flows behind: look again from the front.
    from = any and 0 or from + 16
  end
end

-- The next ticket for a runner, of these routes.
local function choose(runner, routes)
  local pools, order = {}, {}
  for _, route in ipairs(routes) do
    local pool = route_of(route) and route_of(route)[1]
    if pool then
      if not pools[pool] then
        pools[pool] = {}
        order[#order + 1] = pool
      end
      table.insert(pools[pool], route)
    end
  end
  table.sort(order)
  for rank = 0, 2 do
    -- One pool, but for the moment in which two configurations are in force at once.
    local best, best_t
    for _, pool in ipairs(order) do
      local ticket, t = first_of(pool, rank, pools[pool], runner)
      if ticket and (not best or t[ORDER] < best_t[ORDER]) then best, best_t = ticket, t end
    end
    if best then return best, best_t end
  end
end

-- Offer the free slots of a runner to those who wait for it.
local function pump(runner)
  local routes = routes_at(runner)
  if #routes == 0 then return end
  local free = slots_of(runner) - in_flight(runner)
  local steps = 0
  while free > 0 do
    if steps == PUMP_STEPS then
      call('HSET', P .. ':meta', 'more', 1)
      meta[2] = '1'
      return
    end
    local ticket, t = choose(runner, routes)
    if not ticket then return end
    leave_line(ticket, t)
    charge_waiting(t)
    grant(ticket, t, runner, OFFERED, OFFER)
    learn_wait(t, now - t[SINCE])
    mail(t[REPLICA], 'offer', ticket, runner, t[FENCE], now)
    free = free - 1
    steps = steps + 1
    if free > 0 then
      -- Without those for which nobody waits any more: every flow would be asked about them.
      routes = routes_at(runner)
      if #routes == 0 then return end
    end
  end
end

local function pump_all()
  call('HDEL', P .. ':meta', 'more')
  meta[2] = false
  local runners = call('SMEMBERS', P .. ':runners')
  table.sort(runners)
  for _, runner in ipairs(runners) do
    reap(runner)
    pump(runner)
    if in_flight(runner) == 0 and call('EXISTS', P .. ':fit:' .. runner) == 0 then
      call('SREM', P .. ':runners', runner)
    end
  end
end
