-- A request is not wanted any more.

-- ticket, expired: a client has left, or its time in line is over. Replies when to come again.
function operations.cancel(ticket, expired)
  local t = read(ticket)
  if not t then return {'unknown', MIN_RETRY} end
  if t[STATE] ~= WAITING then
    end_lease(ticket, t)
    settle(t, 0)
    pump(t[RUNNER])
    return {'cancelled', MIN_RETRY}
  end
  drop(ticket, t)
  if expired ~= 1 then return {'cancelled', 0} end
  learn_wait(t, now - t[SINCE])
  local o = outlook(t[POOL], t[ROUTE], t[REPLICA], nil)
  return {'cancelled', t[BOOK] == 1 and book(t, t[LATEST] - t[SINCE], t[LATEST] - t[SINCE], o) or 0}
end
