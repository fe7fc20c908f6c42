"""The table of networks."""

from trials.recipe import Recipe

RECIPES = (
    *(
        Recipe("healthy", t, c, saved=s)
        for t, s in (
            ("adding", "pair"),
            ("mackey_glass", "training"),
            ("text", "lightning"),
            ("recall", "bare"),
        )
        for c in ("rnn", "gru", "lstm")
    ),
    *(
        Recipe("gain", "lorenz", c, start="gauss", gain=g, steps=100, updates=150, rate=1e-3)
        for c, g in (("rnn", 2.5), ("gru", 8.0), ("lstm", 8.0), ("relu", 1.7))
    ),
    *(
        Recipe(
            "gain", "text", c, start="gauss", gain=g, steps=100, updates=150, rate=1e-3, layers=2
        )
        for c, g in (("rnn", 2.5), ("gru", 8.0), ("lstm", 8.0), ("relu", 1.7))
    ),
)
GROUPS = tuple(dict.fromkeys(r.group for r in RECIPES))
