"""Search: Optuna proposes settings, every trial is an ordinary run folder."""
