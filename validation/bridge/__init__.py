"""Where sampled runs and the deterministic theory meet; nothing here knows a game or an algorithm."""
