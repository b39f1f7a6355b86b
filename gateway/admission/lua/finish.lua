-- A request has ended.

-- ticket, fence, actual, learn
function operations.finish(ticket, fence, actual, learn)
  local t = read(ticket)
  if not t or t[STATE] == WAITING or t[FENCE] ~= fence then return {'stale'} end
  end_lease(ticket, t)
  settle(t, actual)
  if learn == 1 then learn_service(t, actual) end
  reap(t[RUNNER])
  pump(t[RUNNER])
  return {'finished'}
end
