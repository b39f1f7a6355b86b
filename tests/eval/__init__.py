"""Does the queue keep what it promises? `make eval` measures and judges, see REPORT.md."""
