-- While they wait, tickets are tested again.

-- The lines of all flows, those that are served first first.
local function lines_in_order()
  local found = {}
  for _, each in ipairs(lines()) do
    local flow, route = unpack(each)
    local line = flow .. ':' .. route
    local first = call('ZRANGE', P .. ':line:' .. line, 0, 0)
    local t = first[1] and read(first[1])
    if t then found[#found + 1] = {standing(t) or 0, line, t, flow, route} end
  end
  table.sort(found, function(a, b)
    if a[3][RANK] ~= b[3][RANK] then return a[3][RANK] < b[3][RANK] end
    if a[1] ~= b[1] then return a[1] < b[1] end
    return a[2] < b[2]
  end)
  return found
end

-- A ticket that was refused is in nobody's way any more.
local function without(outlooks, t)
  for _, o in pairs(outlooks) do
    for k, flow in ipairs(o and o.pool == t[POOL] and o.flow or {}) do
      if flow == t[FLOW] then
        local work = math.min(o.work[k], math.floor(t[COST] * (o.shares[t[ROUTE]] or 0)))
        o.work[k], o.tickets[k] = o.work[k] - work, math.max(1, o.tickets[k] - 1)
        o.total[t[RANK]] = o.total[t[RANK]] - work
      end
    end
  end
end

-- Even behind all the work there is: then it need not be known how much of it goes first.
local function cannot_be_late(o, t, before, left)
  for rank = 0, t[RANK] do before = before + o.total[rank] end
  return not hopeless(o, before, left)
end

local function retest_line(line, first, flow, at, o, outlooks)
  local tickets = call('ZRANGE', P .. ':line:' .. line, 0, MAIL_KEPT - 1)
  local latest = call('ZMSCORE', P .. ':dead', unpack(tickets))
  local length, work = call('ZCARD', P .. ':line:' .. line), number(':work:' .. first[ROUTE], flow, 0)
  local removed = 0
  for i, ticket in ipairs(tickets) do
    local left = tonumber(latest[i] or 0) - now
    local before = work_before(work, i - 1 - removed, length - removed)
    local ahead = not cannot_be_late(o, first, before, left)
                  and work_ahead(o, flow, first[RANK], first[WEIGHT], at, before)
    local t = ahead and hopeless(o, ahead, left) and read(ticket)
    if t then
      drop(ticket, t)
      removed, work = removed + 1, work - t[COST]
      without(outlooks, t)
      local wait = wait_behind(o, ahead)
      local after = t[BOOK] == 1 and book(t, wait, t[LATEST] - t[SINCE], o) or 0
      mail(t[REPLICA], 'refused', ticket, after, wait)
    end
  end
end

-- Refuse what has become hopeless since it was admitted.
local function retest()
  if meta[3] and now - tonumber(meta[3]) < RETEST then return end
  call('HSET', P .. ':meta', 'tested', now)
  meta[3] = now
  local outlooks = {}
  for _, each in ipairs(lines_in_order()) do
    local at, line, first, flow, route = unpack(each)
    if outlooks[route] == nil then
      outlooks[route] = outlook(first[POOL], route, nil, 2, '+inf') or false
    end
    if outlooks[route] then
      retest_line(line, first, flow, at, outlooks[route], outlooks)
    end
  end
end
