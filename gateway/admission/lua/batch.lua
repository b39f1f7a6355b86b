-- The end of the script of requests: several operations in a row, each with a reply of its own. One
-- that goes wrong does not take the others with it.
local replies = {}
for i, arguments in ipairs(cmsgpack.unpack(ARGV[1])) do
  local fine, reply = pcall(operations[arguments[1]], unpack(arguments, 2))
  if not fine and type(reply) ~= 'table' then reply = {err = tostring(reply)} end
  replies[i] = reply
end
return replies
