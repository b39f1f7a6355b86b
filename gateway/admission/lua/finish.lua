-- A request has ended.

-- The flow pays the difference: at once while more of it waits, else a small part of all it owes.
-- Who asks, reads and asks again stands a whole round behind the others for what his last answer
-- took longer than expected: chance alone would decide who waits twice as long as his neighbour.
local function pay(t, actual)
  local key = P .. ':owed:' .. t[POOL]
  local before = number(':owed:' .. t[POOL], t[FLOW], false)
  local owed = difference(t, actual) + (before or 0)
  local own, where = standing(t)
  local due = where:sub(1, 6) == ':ready' and owed or math.floor(owed / PART)
  if owed == due then
    if before then call('HDEL', key, t[FLOW]) end
  else
    if not before and call('HLEN', key) >= MOST_DEBTORS then call('DEL', key) end
    call('HSET', key, t[FLOW], owed - due)
  end
  shift(t, due, own, where)
end

-- ticket, fence, actual, learn
function operations.finish(ticket, fence, actual, learn)
  local t = read(ticket)
  if not t or t[STATE] == WAITING or t[FENCE] ~= fence then return {'stale'} end
  end_lease(ticket, t)
  pay(t, actual)
  if learn == 1 then learn_service(t, actual) end
  reap(t[RUNNER])
  pump(t[RUNNER])
  return {'finished'}
end
