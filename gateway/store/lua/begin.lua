-- The frame of a library: what its operations share. Everything here is made once, when a server
-- takes the library in, and again for each call is set what `run` sets, at the end of the library.
local P, call, now            -- prefix of all keys; redis.call; the time, in microseconds
local operations = {}         -- by name; what they return is the reply
local at_the_start = {}       -- functions that are called before the operations of each call
local at_the_end = {}         -- and after them
