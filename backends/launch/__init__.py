"""Start, watch and stop one runner process (POSIX only: it rests on sessions and signals).

`LaunchedRunner` in `runner` is the way in, `LaunchSpec` in `spec` what it is given.
"""
