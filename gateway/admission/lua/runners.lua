-- Runners and replicas come and go.

-- replica, runner, slots: what one replica knows of a runner. 0: it cannot use it now.
function operations.set_runner(replica, runner, slots)
  report(replica, runner, slots)
  reap(runner)
  pump(runner)
  return {slots_of(runner), in_flight(runner)}
end

function operations.forget_runner(replica, runner)
  call('HDEL', P .. ':fit:' .. runner, replica)
  settle_slots(runner)
  if call('EXISTS', P .. ':fit:' .. runner) == 0 and in_flight(runner) == 0 then
    call('SREM', P .. ':runners', runner)
  end
  return {slots_of(runner)}
end

function operations.leave(replica)
  forget(replica)
  return {}
end
