-- What replicas report of their runners.

local function settle_slots(runner)
  local least
  for _, value in ipairs(call('HVALS', P .. ':fit:' .. runner)) do
    local slots = tonumber(value)
    if slots > 0 and (not least or slots < least) then least = slots end
  end
  slots_cache[runner] = least or 0
  if least then call('HSET', P .. ':slots', runner, least) else call('HDEL', P .. ':slots', runner) end
end

local function report(replica, runner, slots)
  call('SADD', P .. ':runners', runner)
  if call('HGET', P .. ':fit:' .. runner, replica) ~= tostring(slots) then
    call('HSET', P .. ':fit:' .. runner, replica, slots)
    fit_cache[runner] = nil
    settle_slots(runner)
  end
end

-- What it reported, and what of it waits, counts no more. Its leases end by themselves.
local function forget(replica)
  for _, runner in ipairs(call('SMEMBERS', P .. ':runners')) do
    if call('HDEL', P .. ':fit:' .. runner, replica) == 1 then settle_slots(runner) end
    fit_cache[runner] = nil
  end
  for _, ticket in ipairs(call('ZRANGE', P .. ':dead', 0, -1)) do
    local t = read(ticket)
    if t and t[REPLICA] == replica then drop(ticket, t) end
  end
  call('ZREM', P .. ':replicas', replica)
  alive_cache[replica] = false
  call('DEL', P .. ':mail:' .. replica)
end
