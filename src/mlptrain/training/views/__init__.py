"""Views of a run: what the user sees while it trains."""
