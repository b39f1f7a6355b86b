-- The end of every script: call the operation that is named, with the arguments that follow.
local arguments = cmsgpack.unpack(ARGV[1])
local operation = operations[arguments[1]]
if not operation then return redis.error_reply('unknown operation') end
return operation(unpack(arguments, 2))
