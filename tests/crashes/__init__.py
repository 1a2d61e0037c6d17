"""Real crashes: the engine as a process of its own, killed while it copies, judged by the venues' books."""
