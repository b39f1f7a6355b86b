-- How long a ticket will wait: what must be served before it, over the slots that serve it.
--
--   wait = (residual + ahead) / slots
--   residual: the mean rest of one running request, E[S^2] / 2 E[S] of the predicted service times
--   ahead:    work in front of it in its own line, all work of higher ranks, and of every other flow
--             of its rank what fair queueing lets go first: the least of that flow's work and of
--             (own start - its virtual time) * its weight, in whole tickets
--
-- Work of a route that can be served elsewhere too counts by the share of its slots that are ours.

-- What a hash has of these flows. Small hashes are stored as lists: to look up many fields of one
-- takes longer than to read all of it.
local function of_flows(key, flows)
  local found = {}
  if #flows <= FEW_FLOWS then
    for k, value in ipairs(call('HMGET', P .. key, unpack(flows))) do
      found[flows[k]] = value and tonumber(value)
    end
  else
    local all = call('HGETALL', P .. key)
    for k = 1, #all, 2 do found[all[k]] = tonumber(all[k + 1]) end
  end
  return found
end

-- Append the flows of one rank that wait, those up to virtual time `most`. By rank, then by time.
local function append_flows(o, rank, most)
  local ready = call('ZRANGEBYSCORE', P .. ':ready:' .. o.pool .. ':' .. rank, '-inf', most,
                     'WITHSCORES', 'LIMIT', 0, MOST_FLOWS)
  o.total[rank] = 0
  if #ready == 0 then return end
  local flows = {}
  for k = 1, #ready, 2 do flows[#flows + 1] = ready[k] end
  local weights = of_flows(':weight:' .. o.pool, flows)
  local counts = of_flows(':count:' .. o.pool, flows)
  local first = #o.flow
  for k, flow in ipairs(flows) do
    o.flow[first + k], o.at[first + k] = flow, tonumber(ready[2 * k])
    o.rank[first + k], o.work[first + k] = rank, 0
    o.weight[first + k], o.tickets[first + k] = weights[flow] or 1, counts[flow] or 1
  end
  for route, share in pairs(o.shares) do
    local works = of_flows(':work:' .. route, flows)
    for k, flow in ipairs(flows) do
      if works[flow] then
        local work = math.floor(works[flow] * share)
        o.work[first + k] = o.work[first + k] + work
        o.total[rank] = o.total[rank] + work
      end
    end
  end
end

-- Which share of its slots each route that waits for our runners has among them.
local function shares_of(pool, ours)
  local shares = {}
  for runner in pairs(ours) do
    for _, other in ipairs(routes_at(runner)) do
      if shares[other] == nil and route_of(other) and route_of(other)[1] == pool then
        local common, total = 0, 0
        for _, each in ipairs(route_of(other)[2]) do
          local limit = slots_of(each)
          total = total + limit
          if ours[each] then common = common + limit end
        end
        shares[other] = total > 0 and common / total or 0
      end
    end
  end
  return shares
end

-- What all tickets of one route have in common; nil while none of its runners has slots. With the
-- flows up to `rank` that wait, of that rank only those up to virtual time `most`.
local function outlook(pool, route_id, replica, rank, most)
  local ours, slots, busy, load = {}, 0, 0, 0
  for _, runner in ipairs(route_of(route_id)[2]) do
    local limit = slots_of(runner)
    if limit > 0 and (not replica or fits(runner, replica)) then
      ours[runner] = limit
      slots = slots + limit
      busy = busy + in_flight(runner)
      load = load + load_of(runner)
    end
  end
  if slots == 0 then return nil end
  local known = learnt(pool)
  local residual = 0
  if busy > 0 then
    residual = math.floor(math.floor(load / busy) * known.square / (2 * known.mean))
  end
  local o = {pool = pool, slots = slots, residual = residual, mean = known.mean, total = {},
             flow = {}, at = {}, rank = {}, weight = {}, work = {}, tickets = {}}
  if rank then
    o.shares = shares_of(pool, ours)
    for each = 0, rank do append_flows(o, each, each == rank and most or '+inf') end
  end
  return o
end

local function work_of(o, ahead)
  return math.floor(ahead * o.mean / 1000)
end

-- The wait behind so much work. Not yet corrected by the learnt quantiles.
local function wait_behind(o, ahead)
  return math.floor((o.residual + work_of(o, ahead)) / o.slots)
end

-- Whether a newcomer has too much work in front: a twentieth more, and a third of the rest of what
-- runs, would take longer than it may wait.
local function too_late(o, ahead, left)
  local work = math.floor(work_of(o, ahead) * 21 / 20) + math.floor(o.residual / 3)
  return math.floor(work / o.slots) > left
end

-- Whether who waits already should wait no longer: thirteen twentieths of it would. Who is let go and
-- would have been served leaves a slot idle that nobody else may want by then.
local function hopeless(o, ahead, left)
  return math.floor(math.floor(work_of(o, ahead) * 13 / 20) / o.slots) > left
end

-- The work in front of a ticket with `own_ahead` before it in its own line, for the flow standing at
-- virtual time `at`.
local function work_ahead(o, flow, rank, weight, at, own_ahead)
  local ahead = own_ahead
  local begin = at + math.floor(own_ahead / weight)
  for k = 1, #o.flow do
    local work = o.work[k]
    if o.rank[k] < rank then
      ahead = ahead + work
    elseif o.rank[k] > rank or o.at[k] >= begin then
      break
    elseif work > 0 and o.flow[k] ~= flow then
      local each = math.max(1, math.floor(work / o.tickets[k]))
      ahead = ahead + math.min(work, math.ceil((begin - o.at[k]) * o.weight[k] / each) * each)
    end
  end
  return ahead
end

-- Work in front of a place in a line, taking its tickets for equally long.
local function work_before(work, position, length)
  if length == 0 or position == 0 then return 0 end
  return math.floor(work * position / length)
end
