"""The browser page on which a person plays in the dream: `session` is the game, `server` carries it to a browser."""
