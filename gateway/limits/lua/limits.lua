-- Rate limits of one domain: take from all buckets of a request or from none, correct it later.
--
-- A request takes from buckets of its key, its tenant and its model at once, and a model's bucket is
-- shared by all tenants: one hash tag, that of P, keeps all of them on one node of a cluster.
-- Keys     P:limit:<id>, an id being the hash of a bucket's owner and kind, never their text:
--            kinds 1, 2  string  TAT: when the bucket will be full again, in microseconds (GCRA)
--            kinds 3, 4  hash    w, c, p: number of a day, units used in it and in the day before
--            kind 5      zset    lease -> when it ends unless it is touched
--          Each expires a minute after it says no more than its absence would: expiry goes by a
--          clock that is coarser, and another one after a failover.
-- Operations
--   reserve        lease, tokens, buckets                         -> reply below
--   settle_limits  lease, requests back, reserved, actual, buckets -> 0
--   touch_limits   id, lease, lease, ...                          -> 0
--   A bucket is {kind, id, limit, enforced}.
-- Reply    {denied by, wait, i, remaining, reset, j, remaining, reset, would deny ...}: places in
--          `buckets` from 1, or 0 for none; microseconds; `denied by` is the enforced bucket that
--          needs the longest wait; i and j are the tightest enforced buckets of requests and of
--          tokens; then those that are not enforced, would have denied and were not charged.
--
-- Rules, the same as in gcra.py, day_window.py and local.py, to which tests hold them:
--   a cost above a bucket's limit counts as the limit, because it is an estimate;
--   a settlement may leave a debt of one window at most and never credits more than a full bucket.
-- Numbers are doubles: microseconds since 1970 are exact, and are written with %.0f.

do

local MINUTE, DAY, LEASE = 60000000, 86400000000, 10000000
local GRACE_MS = 60000
local SOON = 1000000 -- nobody knows when a running request ends

local function key_of(id)
  return P .. ':limit:' .. id
end

local minute, day, concurrent = {}, {}, {}

local function minute_cost(units, limit)
  return math.floor(units * MINUTE / limit)
end

-- Requests of one turn take from the same buckets: each is read and written once.
local tats, moved
at_the_start[#at_the_start + 1] = function() tats, moved = {}, {} end

function minute.look(key, limit, units)
  tats[key] = tats[key] or tonumber(call('GET', key) or 0)
  -- More than the largest debt can only mean that the clock was set back.
  local tat = math.min(tats[key], now + 2 * MINUTE)
  local state = {key = key, limit = limit, tat = math.max(tat, now)}
  state.cost = minute_cost(math.min(units, limit), limit)
  state.wait = state.tat + state.cost - now - MINUTE
  return state
end

local function minute_write(key, tat)
  tats[key], moved[key] = tat, true
end

at_the_end[#at_the_end + 1] = function()
  for key in pairs(moved) do
    local tat = tats[key]
    if tat <= now then
      call('DEL', key)
    else
      call('SET', key, string.format('%.0f', tat), 'PX',
        math.ceil((tat - now) / 1000) + GRACE_MS)
    end
  end
end

function minute.take(state)
  state.tat = state.tat + state.cost
  minute_write(state.key, state.tat)
end

function minute.rest(state)
  local room = now + MINUTE - state.tat
  local remaining = math.ceil((room + 1) * state.limit / MINUTE) - 1
  return math.max(0, math.min(state.limit, remaining)), state.tat - now
end

function minute.correct(key, limit, reserved, actual)
  local change = minute_cost(math.min(actual, 2 * limit), limit)
    - minute_cost(math.min(reserved, limit), limit)
  if change ~= 0 then
    local tat = minute.look(key, limit, 0).tat + change
    minute_write(key, math.min(tat, now + 2 * MINUTE))
  end
end

function day.look(key, limit, units)
  local stored = call('HMGET', key, 'w', 'c', 'p')
  local window, current, previous = math.floor(now / DAY), 0, 0
  local elapsed = now - window * DAY
  local last = tonumber(stored[1] or -1)
  if last > window then -- the clock was set back
    window, elapsed = last, 0
  end
  if last == window then
    current, previous = tonumber(stored[2]), tonumber(stored[3])
  elseif last == window - 1 then
    previous = tonumber(stored[2])
  end
  local cost = math.min(units, limit)
  local state = {key = key, limit = limit, window = window, elapsed = elapsed, cost = cost}
  state.current, state.previous = current, previous
  state.used = previous * ((DAY - elapsed) / DAY) + current
  if state.used + cost <= limit then
    state.wait = 0
  else
    local room = limit - cost - current
    if room >= 0 then
      state.wait = math.max(1, math.ceil(DAY - elapsed - room / previous * DAY))
    else
      state.wait = math.ceil(2 * DAY - elapsed - (limit - cost) / current * DAY)
    end
  end
  return state
end

local function day_write(state)
  call('HSET', state.key, 'w', string.format('%.0f', state.window),
    'c', string.format('%.0f', state.current), 'p', string.format('%.0f', state.previous))
  call('PEXPIRE', state.key, math.ceil((2 * DAY - state.elapsed) / 1000) + GRACE_MS)
end

function day.take(state)
  state.current = state.current + state.cost
  state.used = state.used + state.cost
  day_write(state)
end

function day.rest(state)
  local reset = 0
  if state.current > 0 then
    reset = 2 * DAY - state.elapsed
  elseif state.previous > 0 then
    reset = DAY - state.elapsed
  end
  return math.max(0, math.floor(state.limit - state.used)), reset
end

function day.correct(key, limit, reserved, actual)
  local change = actual - math.min(reserved, limit)
  if change == 0 then
    return
  end
  local state = day.look(key, limit, 0)
  if change > 0 then
    state.current = math.max(state.current, math.min(state.current + change, 2 * limit))
  else
    -- What was reserved before midnight is credited to the day before.
    local rest = math.min(0, state.current + change)
    state.current = math.max(0, state.current + change)
    state.previous = math.max(0, state.previous + rest)
  end
  day_write(state)
end

function concurrent.look(key, limit)
  call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
  local wait = call('ZCARD', key) >= limit and SOON or 0
  return {key = key, wait = wait}
end

local function hold(key, leases)
  local ends = string.format('%.0f', now + LEASE)
  for _, lease in ipairs(leases) do
    call('ZADD', key, ends, lease)
  end
  call('PEXPIRE', key, LEASE / 1000 + GRACE_MS)
end

local KINDS = {minute, minute, day, day, concurrent}
local OF_TOKENS = {false, true, false, true}

-- {requests, tokens}: the tightest enforced bucket of each, as place, remaining, reset.
local function tightest(buckets, states)
  local found = {{0, 0, 0}, {0, 0, 0}}
  for place, bucket in ipairs(buckets) do
    local kind, enforced = bucket[1], bucket[4]
    if kind ~= 5 and enforced then
      local best = found[OF_TOKENS[kind] and 2 or 1]
      local remaining, reset = KINDS[kind].rest(states[place])
      if best[1] == 0 or remaining < best[2] then
        best[1], best[2], best[3] = place, remaining, reset
      end
    end
  end
  return found
end

function operations.reserve(lease, tokens, buckets)
  local states, would = {}, {}
  local denied_by, longest = 0, 0
  for place, bucket in ipairs(buckets) do
    local kind, limit = bucket[1], bucket[3]
    local state = KINDS[kind].look(key_of(bucket[2]), limit, OF_TOKENS[kind] and tokens or 1)
    states[place] = state
    if state.wait > 0 then
      if not bucket[4] then
        would[#would + 1] = place
        state.denied = true
      elseif state.wait > longest then
        denied_by, longest = place, state.wait
      end
    end
  end
  if denied_by == 0 then
    for place, bucket in ipairs(buckets) do
      local state = states[place]
      if bucket[1] == 5 then
        if not state.denied then
          hold(state.key, {lease})
        end
      elseif not state.denied then
        KINDS[bucket[1]].take(state)
      end
    end
  end
  local requests, of_tokens = unpack(tightest(buckets, states))
  local reply = {denied_by, longest, requests[1], requests[2], requests[3],
    of_tokens[1], of_tokens[2], of_tokens[3]}
  for _, place in ipairs(would) do
    reply[#reply + 1] = place
  end
  return reply
end

function operations.settle_limits(lease, back, reserved, actual, buckets)
  for _, bucket in ipairs(buckets) do
    local kind, key, limit = bucket[1], key_of(bucket[2]), bucket[3]
    if kind == 5 then
      call('ZREM', key, lease)
    elseif OF_TOKENS[kind] then
      if actual ~= reserved then
        KINDS[kind].correct(key, limit, reserved, actual)
      end
    else
      KINDS[kind].correct(key, limit, 1, 1 - back)
    end
  end
  return 0
end

function operations.touch_limits(id, ...)
  hold(key_of(id), {...})
  return 0
end

end
