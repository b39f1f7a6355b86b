-- For people.

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
  for _, each in ipairs(lines()) do
    local flow, route = unpack(each)
    local line = flow .. ':' .. route
    local kept = call('HGET', P .. ':flow', flow)
    kept = kept and cmsgpack.unpack(kept) or {1, ''}
    local first = call('ZRANGE', P .. ':line:' .. line, 0, 0)
    local t = first[1] and read(first[1])
    flows[#flows + 1] = {label = kept[2], weight = t and t[WEIGHT] or 1, rank = kept[1],
                         waiting = call('ZCARD', P .. ':line:' .. line),
                         backlog = number(':work:' .. route, flow, 0), oldest = t and now - t[SINCE] or 0}
  end
  local waits = {}
  for _, route in ipairs(call('HKEYS', P .. ':routes')) do
    local pool = route_of(route)[1]
    local at = math.max(virtual(pool, 1), number(':tail', pool .. ':1', 0) + 1)
    local o = outlook(pool, route, nil, 1, at)
    if o then
      local free = 0
      for _, runner in ipairs(route_of(route)[2]) do
        free = free + math.max(0, slots_of(runner) - in_flight(runner))
      end
      local wait = free > 0 and 0 or wait_behind(o, work_ahead(o, '', 1, 1, at, 0))
      waits[#waits + 1] = corrected(pool, wait, 'q50')
    end
  end
  return cjson.encode({now = now, replicas = call('ZCARD', P .. ':replicas'), runners = runners,
                       flows = flows, waits = waits})
end
