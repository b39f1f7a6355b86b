-- What a replica and the store do not know of each other.

-- What the store has of a replica beside what it names is nobody's. A store that failed over may have
-- gone back in time, and would offer a slot again and again for tickets that have long been served.
local function disown(replica, held, waiting)
  local ours = {}
  for _, h in ipairs(held) do ours[h[1]] = true end
  for _, ticket in ipairs(waiting) do ours[ticket] = true end
  for _, ticket in ipairs(call('ZRANGE', P .. ':dead', 0, -1)) do
    local t = read(ticket)
    if t and t[REPLICA] == replica and not ours[ticket] then drop(ticket, t) end
  end
  for _, runner in ipairs(call('SMEMBERS', P .. ':runners')) do
    for _, ticket in ipairs(call('ZRANGE', P .. ':lease:' .. runner, 0, -1)) do
      local t = read(ticket)
      if t and t[REPLICA] == replica and not ours[ticket] then end_lease(ticket, t) end
    end
  end
end

-- replica, {runner, slots, …}, {{ticket, fence, runner, pool, route, flow, rank, weight, cost}, …},
-- {ticket, …}, known, afresh (0 or 1)
-- What a replica has and holds, and how many replicas it has known. `afresh`: it was out of
-- touch. Replies with the time, how many
-- replicas there are, leases it has lost, tickets that nobody knows, and offers that it may not have
-- read.
function operations.sync(replica, runners, held, waiting, known, afresh)
  call('ZADD', P .. ':replicas', now, replica)
  call('PEXPIRE', P .. ':mail:' .. replica, 60000)
  await(math.max(awaited, known or 1))
  alive_cache[replica] = true
  for i = 1, #runners, 2 do report(replica, runners[i], runners[i + 1]) end
  if afresh == 1 then disown(replica, held, waiting) end
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
      local cost = math.max(1, h[9])
      write(h[1], {RUNNING, h[4], h[5], h[6], h[7], h[8], cost, now, now, now, replica, 0, h[3],
                   h[2], now, '', 0})
      call('SADD', P .. ':runners', h[3])
      count_lease(h[3], call('ZADD', P .. ':lease:' .. h[3], now + LEASE, h[1]))
      add_load(h[3], cost)
      if (kept(':meta', 'fence') or 0) < h[2] then keep(':meta', 'fence', h[2]) end
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
