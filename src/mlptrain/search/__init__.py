"""Search: Optuna proposes settings, each trial is an ordinary run."""
