-- A call: several operations in a row, each with a reply of its own. One that goes wrong does not
-- take the others with it.
local function run(keys, arguments)
  P, call = keys[1], redis.call
  now = clock(arguments)
  for _, begin in ipairs(at_the_start) do begin() end
  local replies = {}
  for i, each in ipairs(cmsgpack.unpack(arguments[1])) do
    local fine, reply = pcall(operations[each[1]], unpack(each, 2))
    if not fine and type(reply) ~= 'table' then reply = {err = tostring(reply)} end
    replies[i] = reply
  end
  for _, finish in ipairs(at_the_end) do finish() end
  return replies
end
