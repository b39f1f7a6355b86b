"""Times, in microseconds, and bounds of the scheduler."""

MILLISECOND = 1_000
SECOND = 1_000_000

LEASE = 10 * SECOND
OFFER = 5 * SECOND
ALIVE = 6 * SECOND
GONE = 15 * SECOND
OVERDUE = 1 * SECOND
"""How long after its time a waiting ticket is cleared away, if nobody else did it."""

RETEST_EVERY = 900 * MILLISECOND
RETEST_MOST = 1000
"""Tickets of one line that are tested again."""

PUMP_STEPS = 64
REAPED_AT_ONCE = 64

LEAST_RETRY = 1 * SECOND
MOST_RETRY = 60 * SECOND
RETRY_KEPT = 300 * SECOND
RETRIES_KEPT = 10_000
RETRIES_CLEARED_AT_ONCE = 64

HEAD_START = 60 * SECOND
"""How far a flow may be ahead of its pool, for each slot."""

PART = 32
"""A flow that does not wait pays one such part of what it owes."""

RIVALS = 1000
"""Flows of a rank that a forecast looks at."""

RANKS = (0, 1, 2)
