-- How long a ticket will wait: what must be served before it, over the slots that serve it.
--
--   wait = (residual + ahead) / slots
--   residual: the mean rest of one running request, E[S^2] / 2 E[S] of the predicted service times
--   ahead:    work in front of it in its own line, all work of higher ranks, and of every other flow
--             of its rank what fair queueing lets go first: the least of that flow's work and of
--             (own start - its virtual time) * its weight, in whole tickets
--
-- Work of a route that can be served elsewhere too counts by the share of its slots that are ours.

local function number_or_zero(value)
  return value and tonumber(value) or 0
end

local function in_flows(key, flows, before, after)
  local fields = {}
  for i = 1, #flows, 2 do fields[#fields + 1] = before .. flows[i] .. after end
  return call('HMGET', P .. key, unpack(fields))
end

-- Append the flows of one rank that wait: {flow, virtual time, rank, weight, work, tickets}.
local function flows_of(pool, rank, routes, shares, flows)
  local ready = call('ZRANGE', P .. ':ready:' .. pool .. ':' .. rank, 0, MOST_FLOWS - 1, 'WITHSCORES')
  if #ready == 0 then return end
  local kept = in_flows(':flow', ready, '', '')
  local counts = in_flows(':count', ready, pool .. ':', '')
  local work = {}
  for _, route in ipairs(routes) do
    for j, value in ipairs(in_flows(':work', ready, '', ':' .. route)) do
      work[j] = (work[j] or 0) + math.floor(number_or_zero(value) * shares[route])
    end
  end
  for i = 1, #ready, 2 do
    local j = (i + 1) / 2
    local weight = kept[j] and cmsgpack.unpack(kept[j])[1] or 1
    flows[#flows + 1] = {ready[i], tonumber(ready[i + 1]), rank, weight, work[j] or 0,
                         math.max(1, number_or_zero(counts[j]))}
  end
end

-- What all tickets of one route have in common; nil while none of its runners has slots.
local function outlook(pool, route_id, replica)
  local route = route_of(route_id)
  local ours, slots, busy, load = {}, 0, 0, 0
  for _, runner in ipairs(route[2]) do
    local limit = slots_of(runner)
    if limit > 0 and (not replica or fits(runner, replica)) then
      ours[runner] = limit
      slots = slots + limit
      busy = busy + in_flight(runner)
      load = load + number(':load', runner, 0)
    end
  end
  if slots == 0 then return nil end
  local shares = {}
  for runner in pairs(ours) do
    for _, other in ipairs(call('ZRANGE', P .. ':at:' .. runner, 0, -1)) do
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
  local order = {}
  for other in pairs(shares) do order[#order + 1] = other end
  table.sort(order)
  local flows = {}
  for rank = 0, 2 do flows_of(pool, rank, order, shares, flows) end
  local mean, square = learnt(pool, 'm1', 1000), learnt(pool, 'm2', 2000)
  local residual = busy > 0 and math.floor(math.floor(load / busy) * square / (2 * mean)) or 0
  return {pool = pool, slots = slots, residual = residual, mean = mean, shares = shares,
          flows = flows}
end

-- The wait of a ticket with `own_ahead` in front of it in its own line, for the flow standing at
-- virtual time `at`. Not yet corrected by the learnt quantiles.
local function wait_of(o, flow, rank, weight, at, own_ahead)
  local ahead = own_ahead
  local begin = at + math.floor(own_ahead / weight)
  for _, f in ipairs(o.flows) do
    if f[3] < rank then
      ahead = ahead + f[5]
    elseif f[3] == rank and f[1] ~= flow and begin > f[2] and f[5] > 0 then
      local each = math.max(1, math.floor(f[5] / f[6]))
      ahead = ahead + math.min(f[5], math.ceil((begin - f[2]) * f[4] / each) * each)
    end
  end
  return math.floor((o.residual + math.floor(ahead * o.mean / 1000)) / o.slots), ahead
end

-- Work in front of a place in a line, taking its tickets for equally long.
local function work_before(line, position, length)
  if length == 0 or position == 0 then return 0 end
  return math.floor(number(':work', line, 0) * position / length)
end

local function corrected(pool, wait, name, default)
  return math.floor(wait * learnt(pool, name, default) / 1000)
end
