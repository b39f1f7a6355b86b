"""What measured numbers say: stay with a runner, put a queue in front of it, or move to another.

`decide` in `decision` is the way in: a pure function of facts. Facts come from a bench result
(`measured`), from a running gateway (`live`) and from a look at the machine (`hardware`).
"""
