-- A newcomer: a slot, a place in line, or a refusal.

-- A free slot for a newcomer. Whatever is free after a pump is wanted by nobody who waits.
local function free_runner(t, in_order)
  local best, best_load, best_slots
  local runners = route_of(t[ROUTE])[2]
  for _, runner in ipairs(runners) do
    local slots = slots_of(runner)
    if reap(runner) or meta[2] then pump(runner) end
    if slots > in_flight(runner) and fits(runner, t[REPLICA]) then
      if #runners == 1 then return runner end
      local load = load_of(runner)
      if not best or load * best_slots < best_load * slots then
        best, best_load, best_slots = runner, load, slots
        if in_order or load == 0 then break end
      end
    end
  end
  return best
end

local function queued(ticket, t)
  local position = call('ZRANK', P .. ':line:' .. t[FLOW] .. ':' .. t[ROUTE], ticket)
  return {'queued', position, corrected(t[POOL], t[PREDICTED], 'q50'),
          corrected(t[POOL], t[PREDICTED], 'q90'), t[LATEST], t[ORDER], t[SINCE]}
end

local function refused(t, reason, budget, o, waiting)
  local after = t[BOOK] == 1 and book(t, t[PREDICTED], budget, o) or 0
  return {'refused', reason, after, t[PREDICTED], waiting}
end

-- How much of its own line goes before a ticket.
local function own_ahead(t)
  local line = t[FLOW] .. ':' .. t[ROUTE]
  local length = call('ZCARD', P .. ':line:' .. line)
  if length == 0 then return 0 end
  local position = call('ZCOUNT', P .. ':line:' .. line, '-inf', t[ORDER])
  return work_before(number(':work:' .. t[ROUTE], t[FLOW], 0), position, length)
end

local function remember(t, label)
  if call('HLEN', P .. ':flow') > 10000 then call('DEL', P .. ':flow') end
  call('HSET', P .. ':flow', t[FLOW], cmsgpack.pack({t[RANK], label}))
end

-- replica, ticket, pool, route, {runners}, flow, label, rank, weight, cost, budget, lead, age, order,
-- most_in_flow, most_in_route, in_order (true or false), retry, patience, book, test
function operations.submit(replica, ticket, pool, route, runners, flow, label, rank, weight, cost,
    budget, lead, age, order, most_in_flow, most_in_route, in_order, retry, patience, may_book, test)
  local known = read(ticket)
  if known then
    if known[STATE] == WAITING then return queued(ticket, known) end
    return {'granted', known[RUNNER], known[FENCE], known[GRANTED]}
  end
  route_cache[route] = {pool, runners}
  cost = math.max(1, cost)
  local since = now - age
  if order == 0 then order = since + lead end
  local t = {WAITING, pool, route, flow, rank, weight, cost, order, since, since + budget, replica,
             0, '', 0, 0, retry, may_book}
  local runner = free_runner(t, in_order)
  if runner then
    charge(t)
    grant(ticket, t, runner, RUNNING, LEASE)
    if patience > 0 then forget_retry(retry) end
    return {'granted', runner, t[FENCE], now}
  end
  if patience > 0 then
    keep_promise(retry, t, patience)
    budget = t[LATEST] - since
  end
  local at, where = standing(t)
  local at_pool, ahead, waiting = false, 0, 0
  if where:sub(1, 6) == ':ready' then
    ahead = own_ahead(t)
    waiting = number(':count:' .. pool, flow, 0)
  else
    at, at_pool = start(t, at)
  end
  local o = outlook(pool, route, replica, rank, at + math.floor(ahead / weight))
  if o then
    ahead = work_ahead(o, flow, rank, weight, at, ahead)
    t[PREDICTED] = wait_behind(o, ahead)
  end
  if test == 1 then
    if waiting >= most_in_flow then return refused(t, 'flow', budget, o, waiting) end
    local in_route = tonumber(call('ZSCORE', P .. ':at:' .. runners[1], route) or 0)
    if in_route >= most_in_route then return refused(t, 'full', budget, o, waiting) end
    if o and too_late(o, ahead, budget) then return refused(t, 'wait', budget, o, waiting) end
  end
  if patience > 0 then forget_retry(retry) end
  if enqueue(ticket, t, at, at_pool) then remember(t, label) end
  return queued(ticket, t)
end
