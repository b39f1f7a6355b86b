-- What time brings.

local function upkeep()
  for _, replica in ipairs(call('ZRANGEBYSCORE', P .. ':replicas', '-inf', now - GONE)) do
    forget(replica)
  end
  for _, ticket in ipairs(call('ZRANGEBYSCORE', P .. ':dead', '-inf', now - 1000000, 'LIMIT', 0, 64)) do
    local t = read(ticket)
    if t then drop(ticket, t) else call('ZREM', P .. ':dead', ticket) end
  end
  forget_old_retries()
  pump_all()
  retest()
end

function operations.pump()
  upkeep()
  return {}
end
