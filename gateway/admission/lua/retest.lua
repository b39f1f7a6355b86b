-- While they wait, tickets are tested again.

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
local function without(outlooks, t)
  for _, o in pairs(outlooks) do
    for _, f in ipairs(o and o.pool == t[POOL] and o.flows or {}) do
      if f[1] == t[FLOW] then
        local work = math.floor(t[COST] * (o.shares[t[ROUTE]] or 0))
        f[5], f[6] = math.max(0, f[5] - work), math.max(1, f[6] - 1)
      end
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
        without(outlooks, t)
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
