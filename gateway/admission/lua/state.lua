-- For people. The whole store stands still while this runs, so what it looks at is bounded.

local MOST_LINES = 128        -- lines that are described
local MOST_AHEAD = 300        -- lines that predictions look at, all together

-- Every line, as {flow, route, work}, the one with most work first.
local function lines_by_work()
  local found = lines()
  for _, line in ipairs(found) do line[3] = number(':work:' .. line[2], line[1], 0) end
  table.sort(found, function(a, b)
    if a[3] ~= b[3] then return a[3] > b[3] end
    if a[1] ~= b[1] then return a[1] < b[1] end
    return a[2] < b[2]
  end)
  return found
end

local function described(line)
  local key = P .. ':line:' .. line[1] .. ':' .. line[2]
  local kept = call('HGET', P .. ':flow', line[1])
  kept = kept and cmsgpack.unpack(kept) or {1, ''}
  local first = call('ZRANGE', key, 0, 0)
  local t = first[1] and read(first[1])
  return {flow = line[1], label = kept[2], weight = t and t[WEIGHT] or 1, waiting = call('ZCARD', key),
          backlog = line[3], oldest = t and math.max(0, now - t[SINCE]) or 0}
end

-- Of each pool the route with most work whose slots are all taken, and what waits in the whole pool;
-- the pool with most work first.
local function busy_pools(lines)
  local work, count = {}, {}
  for _, line in ipairs(lines) do
    work[line[2]] = (work[line[2]] or 0) + line[3]
    count[line[2]] = (count[line[2]] or 0) + 1
  end
  local found, pools = {}, {}
  for _, id in ipairs(call('HKEYS', P .. ':routes')) do
    local route, slots, free = route_of(id), 0, 0
    for _, runner in ipairs(route[2]) do
      slots = slots + slots_of(runner)
      free = free + math.max(0, slots_of(runner) - in_flight(runner))
    end
    local pool = found[route[1]]
    if not pool then
      pool = {id = route[1], most = -1, work = 0, lines = 0}
      found[route[1]] = pool
      pools[#pools + 1] = pool
    end
    pool.work = pool.work + (work[id] or 0)
    pool.lines = pool.lines + (count[id] or 0)
    if slots > 0 and free == 0 and (work[id] or 0) > pool.most then
      pool.route, pool.slots, pool.most = id, slots, work[id] or 0
    end
  end
  table.sort(pools, function(a, b)
    if a.work ~= b.work then return a.work > b.work end
    return a.id < b.id
  end)
  return pools
end

-- What a ticket of a flow that has no past would wait in each pool, class `default`, weight 1. Where
-- too many wait to be looked at, it is what it could wait at most.
local function waits_of(lines)
  local waits, left = {}, MOST_AHEAD
  for _, pool in ipairs(busy_pools(lines)) do
    if pool.route and pool.lines <= left then
      left = left - pool.lines
      local at = math.max(virtual(pool.id, 1), number(':tail', pool.id .. ':1', -1) + 1)
      local o = outlook(pool.id, pool.route, nil, 1, at)
      local wait = wait_behind(o, work_ahead(o, '', 1, 1, at, 0))
      waits[#waits + 1] = corrected(pool.id, wait, 'q50')
    elseif pool.route then
      waits[#waits + 1] = math.floor(pool.work / pool.slots)
    end
  end
  return waits
end

-- Everything, as JSON.
function operations.state()
  local runners, shown = {}, {}
  for _, runner in ipairs(call('SMEMBERS', P .. ':runners')) do
    local waiting = 0
    local at = call('ZRANGE', P .. ':at:' .. runner, 0, -1, 'WITHSCORES')
    for i = 2, #at, 2 do waiting = waiting + tonumber(at[i]) end
    runners[#runners + 1] = {id = runner, slots = slots_of(runner), in_flight = in_flight(runner),
                             waiting = waiting}
  end
  local found = lines_by_work()
  for i = 1, math.min(#found, MOST_LINES) do shown[i] = described(found[i]) end
  return cjson.encode({replicas = call('ZCARD', P .. ':replicas'), runners = runners,
                       lines = shown, waiting = call('ZCARD', P .. ':dead'),
                       waits = waits_of(found)})
end
