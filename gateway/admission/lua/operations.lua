-- The operations. Each takes the unpacked arguments of the call, in the order given at its head.

local function settle_slots(runner)
  local least
  for _, value in ipairs(call('HVALS', P .. ':fit:' .. runner)) do
    local slots = tonumber(value)
    if slots > 0 and (not least or slots < least) then least = slots end
  end
  if least then call('HSET', P .. ':slots', runner, least) else call('HDEL', P .. ':slots', runner) end
end

local function report(replica, runner, slots)
  call('SADD', P .. ':runners', runner)
  if call('HGET', P .. ':fit:' .. runner, replica) ~= tostring(slots) then
    call('HSET', P .. ':fit:' .. runner, replica, slots)
    settle_slots(runner)
  end
end

local function forget(replica)
  for _, runner in ipairs(call('SMEMBERS', P .. ':runners')) do
    if call('HDEL', P .. ':fit:' .. runner, replica) == 1 then
      settle_slots(runner)
      if call('EXISTS', P .. ':fit:' .. runner) == 0 and in_flight(runner) == 0 then
        call('SREM', P .. ':runners', runner)
      end
    end
  end
  call('ZREM', P .. ':replicas', replica)
  call('DEL', P .. ':mail:' .. replica)
end

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

local operations = {}

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

-- ticket, fence, actual, learn
function operations.finish(ticket, fence, actual, learn)
  local t = read(ticket)
  if not t or t[STATE] == WAITING or t[FENCE] ~= fence then return {'stale'} end
  end_lease(ticket, t)
  settle(t, actual)
  if learn == 1 then learn_service(t, actual) end
  reap(t[RUNNER])
  pump(t[RUNNER])
  return {'finished'}
end

-- ticket, expired: a client has left, or its time in line is over. Replies when to come again.
function operations.cancel(ticket, expired)
  local t = read(ticket)
  if not t then return {'unknown', MIN_RETRY} end
  if t[STATE] ~= WAITING then
    end_lease(ticket, t)
    settle(t, 0)
    pump(t[RUNNER])
    return {'cancelled', MIN_RETRY}
  end
  drop(ticket, t)
  if expired ~= 1 then return {'cancelled', 0} end
  learn_wait(t, now - t[SINCE])
  local o = outlook(t[POOL], t[ROUTE], t[REPLICA])
  return {'cancelled', t[BOOK] == 1 and book(t, t[LATEST] - t[SINCE], t[LATEST] - t[SINCE], o) or 0}
end

-- replica, runner, slots: what one replica knows of a runner. 0: it cannot use it now.
function operations.set_runner(replica, runner, slots)
  report(replica, runner, slots)
  reap(runner)
  pump(runner)
  return {slots_of(runner), in_flight(runner)}
end

function operations.forget_runner(replica, runner)
  call('HDEL', P .. ':fit:' .. runner, replica)
  settle_slots(runner)
  if call('EXISTS', P .. ':fit:' .. runner) == 0 and in_flight(runner) == 0 then
    call('SREM', P .. ':runners', runner)
  end
  return {slots_of(runner)}
end

function operations.leave(replica)
  forget(replica)
  return {}
end

-- The lines of all flows, those that are served first first.
local function lines_in_order()
  local lines = {}
  for _, line in ipairs(call('HKEYS', P .. ':work')) do
    local flow, route = line:match('^([^:]+):(.+)$')
    local first = call('ZRANGE', P .. ':line:' .. line, 0, 0)
    local t = first[1] and read(first[1])
    if t and route_of(route) then
      lines[#lines + 1] = {standing(t) or 0, line, t, flow, route}
    end
  end
  table.sort(lines, function(a, b)
    if a[3][RANK] ~= b[3][RANK] then return a[3][RANK] < b[3][RANK] end
    if a[1] ~= b[1] then return a[1] < b[1] end
    return a[2] < b[2]
  end)
  return lines
end

-- A ticket that was refused is in nobody's way any more.
local function without(outlooks, flow, cost)
  for _, o in pairs(outlooks) do
    for _, f in ipairs(o and o.flows or {}) do
      if f[1] == flow then f[5], f[6] = math.max(0, f[5] - cost), math.max(1, f[6] - 1) end
    end
  end
end

local function retest_line(line, first, flow, at, o, outlooks)
  local tickets = call('ZRANGE', P .. ':line:' .. line, 0, MAIL_KEPT - 1)
  local latest = call('ZMSCORE', P .. ':dead', unpack(tickets))
  local length = call('ZCARD', P .. ':line:' .. line)
  local removed = 0
  for i, ticket in ipairs(tickets) do
    local before = work_before(line, i - 1 - removed, length - removed)
    local wait = wait_of(o, flow, first[RANK], first[WEIGHT], at, before)
    if corrected(first[POOL], wait, 'q75', 1000) > number_or_zero(latest[i]) - now then
      local t = read(ticket)
      if t then
        drop(ticket, t)
        removed = removed + 1
        without(outlooks, flow, t[COST])
        local after = t[BOOK] == 1 and book(t, wait, t[LATEST] - t[SINCE], o) or 0
        mail(t[REPLICA], 'refused', ticket, after, wait)
      end
    end
  end
end

-- Refuse what has become hopeless since it was admitted.
local function retest()
  if meta[3] and now - tonumber(meta[3]) < RETEST then return end
  call('HSET', P .. ':meta', 'tested', now)
  local outlooks = {}
  for _, each in ipairs(lines_in_order()) do
    local at, line, first, flow, route = unpack(each)
    if outlooks[route] == nil then outlooks[route] = outlook(first[POOL], route) or false end
    if outlooks[route] then
      retest_line(line, first, flow, at, outlooks[route], outlooks)
    end
  end
end

local function upkeep()
  for _, replica in ipairs(call('ZRANGEBYSCORE', P .. ':replicas', '-inf', now - GONE)) do
    forget(replica)
  end
  for _, ticket in ipairs(call('ZRANGEBYSCORE', P .. ':dead', '-inf', now - 1000000, 'LIMIT', 0, 64)) do
    local t = read(ticket)
    if t then drop(ticket, t) else call('ZREM', P .. ':dead', ticket) end
  end
  pump_all()
  retest()
end

function operations.pump()
  upkeep()
  return {}
end

-- replica, {runner, slots, …}, {{ticket, fence, runner, pool, route, flow, rank, weight, cost}, …}, {ticket, …}
-- What a replica has and holds. Replies with the time, how many replicas there are, leases it has
-- lost, tickets that nobody knows, and offers that it may not have read.
function operations.sync(replica, runners, held, waiting)
  call('ZADD', P .. ':replicas', now, replica)
  alive_cache[replica] = true
  for i = 1, #runners, 2 do report(replica, runners[i], runners[i + 1]) end
  local lost, unknown, offers = {}, {}, {}
  for _, h in ipairs(held) do
    local t = read(h[1])
    if t and t[STATE] ~= WAITING and t[FENCE] == h[2] then
      if t[STATE] == OFFERED then
        t[STATE] = RUNNING
        write(h[1], t)
      end
      call('ZADD', P .. ':lease:' .. t[RUNNER], now + LEASE, h[1])
    elseif t then
      lost[#lost + 1] = h[1]
    else
      -- It runs, whatever the store has forgotten: taken up again even beyond the slots.
      if not route_of(h[5]) then
        call('HSET', P .. ':routes', h[5], cmsgpack.pack({h[4], {h[3]}}))
        route_cache[h[5]] = nil
      end
      write(h[1], {RUNNING, h[4], h[5], h[6], h[7], h[8], h[9], now, now, now, replica, 0, h[3], h[2],
                   now, '', 0})
      call('ZADD', P .. ':lease:' .. h[3], now + LEASE, h[1])
      add_load(h[3], h[9])
      if number(':meta', 'fence', 0) < h[2] then call('HSET', P .. ':meta', 'fence', h[2]) end
    end
  end
  for _, ticket in ipairs(waiting) do
    local t = read(ticket)
    if not t then
      unknown[#unknown + 1] = ticket
    elseif t[STATE] ~= WAITING then
      offers[#offers + 1] = {ticket, t[RUNNER], t[FENCE], t[GRANTED]}
    end
  end
  upkeep()
  return {now, call('ZCARD', P .. ':replicas'), lost, unknown, offers}
end

-- Everything, for people; JSON.
function operations.state()
  local runners, flows = {}, {}
  for _, runner in ipairs(call('SMEMBERS', P .. ':runners')) do
    local waiting = 0
    local at = call('ZRANGE', P .. ':at:' .. runner, 0, -1, 'WITHSCORES')
    for i = 2, #at, 2 do waiting = waiting + tonumber(at[i]) end
    runners[#runners + 1] = {id = runner, slots = slots_of(runner), in_flight = in_flight(runner),
                             waiting = waiting}
  end
  for _, line in ipairs(call('HKEYS', P .. ':work')) do
    local flow, route = line:match('^([^:]+):(.+)$')
    local kept = call('HGET', P .. ':flow', flow)
    kept = kept and cmsgpack.unpack(kept) or {1, 1, ''}
    local first = call('ZRANGE', P .. ':line:' .. line, 0, 0)
    local t = first[1] and read(first[1])
    flows[#flows + 1] = {label = kept[3], weight = kept[1], rank = kept[2],
                         waiting = call('ZCARD', P .. ':line:' .. line),
                         backlog = number(':work', line, 0), oldest = t and now - t[SINCE] or 0}
  end
  local waits = {}
  for _, route in ipairs(call('HKEYS', P .. ':routes')) do
    local pool = route_of(route)[1]
    local o = outlook(pool, route)
    if o then
      local free = 0
      for _, runner in ipairs(route_of(route)[2]) do
        free = free + math.max(0, slots_of(runner) - in_flight(runner))
      end
      local at = math.max(virtual(pool, 1), number(':tail', pool .. ':1', 0) + 1)
      local wait = free > 0 and 0 or wait_of(o, '', 1, 1, at, 0)
      waits[#waits + 1] = corrected(pool, wait, 'q50', 1000)
    end
  end
  return cjson.encode({now = now, replicas = call('ZCARD', P .. ':replicas'), runners = runners,
                       flows = flows, waits = waits})
end

local arguments = cmsgpack.unpack(ARGV[1])
local operation = operations[arguments[1]]
if not operation then return redis.error_reply('unknown operation') end
return operation(unpack(arguments, 2))
