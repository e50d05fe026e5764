"""The verbs, by name alone: known without importing what they do."""

VERBS = (
    "train", "plan", "status", "resume", "runs", "report", "diff", "evaluate", "predict", "data",
    "options", "search",
)  # fmt: skip
