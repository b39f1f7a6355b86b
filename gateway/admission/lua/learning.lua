-- What the pool learns, in thousandths: how service times relate to what was predicted (mean and
-- mean square), and how waits do (quantiles, each followed by steps that balance where it is right).

local QUANTILES = {{'q50', 500, 1000}, {'q75', 750, 1000}, {'q90', 900, 1500}}

local function learnt(pool, name, default)
  return number(':stat', pool .. ':' .. name, default)
end

local function learn_service(t, actual)
  local ratio = math.min(20000, math.floor(actual * 1000 / t[COST]))
  local mean, square = learnt(t[POOL], 'm1', 1000), learnt(t[POOL], 'm2', 2000)
  mean = math.max(20, mean + math.floor((ratio - mean) / 16))
  square = math.max(1, square + math.floor((math.floor(ratio * ratio / 1000) - square) / 16))
  call('HSET', P .. ':stat', t[POOL] .. ':m1', mean, t[POOL] .. ':m2', square)
end

local function learn_wait(t, waited)
  if t[PREDICTED] < 50000 then return end
  local ratio = math.floor(waited * 1000 / t[PREDICTED])
  for _, q in ipairs(QUANTILES) do
    local value = learnt(t[POOL], q[1], q[3])
    if ratio > value then
      value = value + math.floor(value * q[2] / 20000) + 1
    else
      value = value - math.floor(value * (1000 - q[2]) / 20000)
    end
    call('HSET', P .. ':stat', t[POOL] .. ':' .. q[1], math.max(250, math.min(8000, value)))
  end
end
