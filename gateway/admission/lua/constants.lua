-- Keys and constants of the scheduler. DESIGN.md beside this folder explains them.
--
-- All keys begin with P, the hash tag of the scheduling domain, so that all lie in one slot of
-- a cluster. What follows it are ids of our own making (hex digits), never a caller's text.
--
--   :slots            hash    runner -> slots: the least that a live replica reports
--   :fit:<runner>     hash    replica -> slots; 0 where that replica cannot use the runner now
--   :runners          set     runners that some replica has reported, or that have leases
--   :lease:<runner>   zset    ticket -> when its lease expires. Its size is what is in flight
--   :load             hash    runner -> predicted slot-time of all that is in flight there
--   :t                hash    ticket -> record, see below
--   :dead             zset    waiting ticket -> latest moment at which it may be dispatched
--   :line:<flow>:<route>  zset  waiting ticket -> order within its flow
--   :work:<route>     hash    flow -> predicted slot-time of the tickets in that line
--   :at:<runner>      zset    route -> how many tickets of it wait and could be served there
--   :routes           hash    route -> its pool and runners
--   :count:<pool>     hash    flow -> waiting tickets
--   :ready:<pool>:<rank>  zset  flow with waiting tickets -> virtual time
--   :idle:<pool>:<rank>   zset  flow without, whose virtual time is ahead of the pool's -> the same
--   :owed:<pool>      hash    flow -> virtual time that it still has to pay, or gets back
--   :v                hash    <pool>:<rank> -> virtual time of the pool
--   :tail             hash    <pool>:<rank> -> where the last flow started that had no past
--   :weight:<pool>    hash    flow that waits -> its weight
--   :flow             hash    flow -> rank and label, of those that have waited lately
--   :stat:<pool>      hash    what was learnt, in thousandths
--   :pace             hash    <pool>:<rank> -> the last place given to a refused caller
--   :retry, :retryx   hash, zset  fingerprint of a refused request -> its order; -> expiry
--   :replicas         zset    replica -> last sign of life
--   :meta             hash    fence, now, more (a pump was cut short), tested (last re-test),
--                             since (end of the last silence), awaited (replicas to wait for)
--   :mail:<replica>   stream  what a replica must learn at once: offers and refusals
--
-- Times and costs are whole microseconds: doubles hold them exactly, and another implementation can
-- repeat every step to the digit.

local LEASE = 10000000        -- a lease lasts this long after it was last renewed
local OFFER = 5000000         -- an offer that its replica does not confirm is taken back
local ALIVE = 6000000         -- silent for longer: nothing is dispatched to that replica
local GONE = 15000000         -- silent for longer: what it reported is forgotten
local SILENCE = 3000000       -- a store that nobody called for so long was away, or is new
local PATIENCE = 3000000      -- how long it then waits for replicas that have not told what they hold
local RETEST = 900000         -- least time between two looks at what has become hopeless
local PUMP_STEPS = 64         -- most dispatches of one call
local MOST_REAPED = 64        -- most leases of one runner that end by themselves in one call
local SCAN = 4                -- tickets of a line that are looked at in one go
local MAX_RETRY = 60000000    -- client libraries ignore longer waits, or give up on them
local MIN_RETRY = 1000000
local RETRY_KEPT = 300000000  -- how long a refused request is recognised when it comes again
local MOST_RETRIES = 10000
local HEAD_START = 60000000   -- how far ahead of its pool a flow may be held, for each slot
local PART = 32               -- of what a flow owes that does not wait, one such part is paid
local MOST_DEBTORS = 10000
local MAIL_KEPT = 1000
local MOST_FLOWS = 1000       -- flows of a pool that a prediction looks at
local FEW_FLOWS = 16
local WAITING, OFFERED, RUNNING = 1, 2, 3

-- A ticket's record.
local STATE, POOL, ROUTE, FLOW, RANK, WEIGHT, COST, ORDER = 1, 2, 3, 4, 5, 6, 7, 8
local SINCE, LATEST, REPLICA, PREDICTED, RUNNER, FENCE, GRANTED = 9, 10, 11, 12, 13, 14, 15
local RETRY, BOOK = 16, 17
