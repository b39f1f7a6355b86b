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
  fit_cache[runner] = nil
  settle_slots(runner)
  reap(runner)
  pump(runner)
  return {slots_of(runner)}
end

function operations.leave(replica)
  forget(replica)
  pump_all()
  return {}
end
