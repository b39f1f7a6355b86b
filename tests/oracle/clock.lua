-- In place of the store's clock: what the test says. Missing after a FLUSHALL until it is set again.
local function clock()
  return tonumber(call('GET', P .. ':test-clock') or 0)
end
