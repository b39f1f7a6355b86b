-- When a refused caller should come again: a paced place in line. Each refusal books the next one,
-- so that a burst does not come back as a burst.

local function book(t, wait, budget, o)
  local gap = math.floor(t[COST] * (o and o.mean or 1000) / 1000 / (o and o.slots or 1))
  local field = t[POOL] .. ':' .. t[RANK]
  local place = math.max(now + wait - math.floor(budget / 2), now, number(':pace', field, 0))
  place = math.max(now + MIN_RETRY, math.min(now + MAX_RETRY, place + gap))
  call('HSET', P .. ':pace', field, place)
  if t[RETRY] ~= '' and call('ZCARD', P .. ':retryx') < MOST_RETRIES then
    call('HSET', P .. ':retry', t[RETRY], cmsgpack.pack({t[ORDER], now + math.floor((place - now) * 9 / 10)}))
    call('ZADD', P .. ':retryx', now + RETRY_KEPT, t[RETRY])
  end
  return place - now
end

local function forget_retry(key)
  call('HDEL', P .. ':retry', key)
  call('ZREM', P .. ':retryx', key)
end

local function forget_old_retries()
  local old = call('ZRANGEBYSCORE', P .. ':retryx', '-inf', now, 'LIMIT', 0, 64)
  for _, each in ipairs(old) do forget_retry(each) end
end

-- A request that was refused before and has come again when it was told to: it keeps the order of
-- that time, and may wait longer than others. It was told to come earlier than that if the
-- place was further off than a client would wait for; to refuse it again would break the promise.
local function keep_promise(key, t, patience)
  forget_old_retries()
  local packed = call('HGET', P .. ':retry', key)
  if not packed then return end
  local kept = cmsgpack.unpack(packed)
  if now < kept[2] then return end
  t[ORDER] = math.min(t[ORDER], kept[1])
  t[LATEST] = math.max(t[LATEST], t[SINCE] + patience)
end
