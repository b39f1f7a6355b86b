-- A newcomer: a slot, a place in line, or a refusal.

-- A free slot for a newcomer. Whatever is free after a pump is wanted by nobody who waits.
local function free_runner(t, in_order)
  local best, best_load, best_slots
  for _, runner in ipairs(route_of(t[ROUTE])[2]) do
    local slots = slots_of(runner)
    if reap(runner) or meta[2] then pump(runner) end
    if slots > in_flight(runner) and fits(runner, t[REPLICA]) then
      local load = number(':load', runner, 0)
      if not best or load * best_slots < best_load * slots then
        best, best_load, best_slots = runner, load, slots
        if in_order or load == 0 then break end
      end
    end
  end
  return best
end

local function queued(ticket, t, length)
  local position = call('ZRANK', P .. ':line:' .. t[FLOW] .. ':' .. t[ROUTE], ticket)
  return {'queued', position, corrected(t[POOL], t[PREDICTED], 'q50', 1000),
          corrected(t[POOL], t[PREDICTED], 'q90', 1500), t[LATEST], t[ORDER], t[SINCE]}
end

local function refused(t, reason, wait, budget, o)
  local after = t[BOOK] == 1 and book(t, wait, budget, o) or 0
  return {'refused', reason, after, wait, number(':count', t[POOL] .. ':' .. t[FLOW], 0)}
end

-- replica, ticket, pool, route, {runners}, flow, label, rank, weight, cost, budget, lead, age, order,
-- most_in_flow, most_in_route, in_order, retry, retried, book, test
function operations.submit(replica, ticket, pool, route, runners, flow, label, rank, weight, cost,
    budget, lead, age, order, most_in_flow, most_in_route, in_order, retry, retried, may_book, test)
  local known = read(ticket)
  if known then
    if known[STATE] == WAITING then return queued(ticket, known) end
    return {'granted', known[RUNNER], known[FENCE], known[GRANTED]}
  end
  local kept = route_of(route)
  if not kept or table.concat(kept[2], ',') ~= table.concat(runners, ',') or kept[1] ~= pool then
    kept = {pool, runners}
    call('HSET', P .. ':routes', route, cmsgpack.pack(kept))
    route_cache[route] = kept
  end
  cost = math.max(1, cost)
  local since = now - age
  if order == 0 then order = since + lead end
  local t = {WAITING, pool, route, flow, rank, weight, cost, order, since, since + budget, replica,
             0, '', 0, 0, retry, may_book}
  local runner = free_runner(t, in_order)
  if runner then
    grant(ticket, t, runner, RUNNING, LEASE)
    if retried == 1 then forget_retry(retry) end
    return {'granted', runner, t[FENCE], now}
  end
  if retried == 1 then t[ORDER] = order_of_retry(retry, order) end
  local line = flow .. ':' .. route
  local o = outlook(pool, route, replica)
  local length = call('ZCARD', P .. ':line:' .. line)
  local position = call('ZCOUNT', P .. ':line:' .. line, '-inf', t[ORDER])
  local wait = 0
  if o then
    local own, where = standing(t)
    if where:sub(1, 5) == ':idle' then own = start(t, own) end
    wait = wait_of(o, flow, rank, weight, own, work_before(line, position, length))
    t[PREDICTED] = wait
  end
  if test == 1 then
    if number(':count', pool .. ':' .. flow, 0) >= most_in_flow then
      return refused(t, 'flow', wait, budget, o)
    end
    local waiting = 0
    for _, each in ipairs(runners) do
      waiting = math.max(waiting, tonumber(call('ZSCORE', P .. ':at:' .. each, route) or 0))
    end
    if waiting >= most_in_route then return refused(t, 'full', wait, budget, o) end
    if corrected(pool, wait, 'q75', 1000) > budget then
      return refused(t, 'wait', wait, budget, o)
    end
  end
  if retried == 1 then forget_retry(retry) end
  enqueue(ticket, t, label)
  return queued(ticket, t)
end
