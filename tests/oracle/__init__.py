"""The scheduler's oracle: what `gateway/admission/DESIGN.md` says, in plain Python.

It is too slow to be used and meant to be read. Nothing is counted twice: lines, counts, backlogs
and loads are worked out from the tickets each time they are asked for, so that the store's running
totals have something to be compared with. Only tests use it.
"""
