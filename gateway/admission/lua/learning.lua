-- What the pool learns, in thousandths: how service times relate to what was predicted (mean and
-- mean square), and how waits do (quantiles, each followed by steps that balance where it is right).

local QUANTILES = {{'q50', 500}, {'q90', 900}}

local learnt_cache
at_the_start[#at_the_start + 1] = function() learnt_cache = {} end
at_the_end[#at_the_end + 1] = function()
  for pool, known in pairs(learnt_cache) do
    local key = P .. ':stat:' .. pool
    local new = {}
    if known.service then new = {'m1', known.mean, 'm2', known.square} end
    if known.wait then
      local n = #new
      new[n + 1], new[n + 2], new[n + 3], new[n + 4] = 'q50', known.q50, 'q90', known.q90
    end
    if #new > 0 then call('HSET', key, unpack(new)) end
  end
end

local function learnt(pool)
  local known = learnt_cache[pool]
  if not known then
    local stat = call('HMGET', P .. ':stat:' .. pool, 'm1', 'm2', 'q50', 'q90')
    known = {mean = tonumber(stat[1] or 1000), square = tonumber(stat[2] or 2000),
             q50 = tonumber(stat[3] or 1000), q90 = tonumber(stat[4] or 1500)}
    learnt_cache[pool] = known
  end
  return known
end

local function learn_service(t, actual)
  local known = learnt(t[POOL])
  local ratio = math.min(20000, math.floor(actual * 1000 / t[COST]))
  local square = math.floor(ratio * ratio / 1000)
  known.mean = math.max(20, known.mean + math.floor((ratio - known.mean) / 16))
  known.square = math.max(1, known.square + math.floor((square - known.square) / 16))
  known.service = true
end

local function learn_wait(t, waited)
  if t[PREDICTED] < 50000 then return end
  local known = learnt(t[POOL])
  local ratio = math.floor(waited * 1000 / t[PREDICTED])
  for _, q in ipairs(QUANTILES) do
    local value = known[q[1]]
    if ratio > value then
      value = value + math.floor(value * q[2] / 20000) + 1
    else
      value = value - math.floor(value * (1000 - q[2]) / 20000)
    end
    known[q[1]] = math.max(250, math.min(8000, value))
  end
  known.wait = true
end

-- A predicted wait, as experience has it.
local function corrected(pool, wait, quantile)
  return math.floor(wait * learnt(pool)[quantile] / 1000)
end
