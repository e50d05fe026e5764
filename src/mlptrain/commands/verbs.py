"""The verbs, by name alone: known without importing what they do."""

VERBS = ("train", "resume", "data", "options")
