"""Names of the files in run and sweep folders, and in output roots."""

CONFIG = "config.yaml"
RUN = "run.json"
HISTORY = "history.csv"
METRICS = "metrics.json"
LAYERS = "layers.csv"
MODEL = "model.keras"
PREDICTIONS = "predictions.npz"
CLASSIFICATION_REPORT = "classification_report.json"
CONFUSION_MATRIX = "confusion_matrix.csv"
CONFUSION_MATRIX_PICTURE = "confusion_matrix.png"
LEARNING_CURVES = "learning_curves.png"
SAMPLES = "samples.png"
LAYERS_PICTURE = "layers.png"
WEIGHTS_PICTURE = "weights.png"
LOG = "train.log"
HEARTBEAT = "heartbeat.json"
CHECKPOINT = "checkpoint"
TENSORBOARD = "tensorboard"
HYDRA = ".hydra"
SWEEP = "sweep.json"
SWEEP_LOCK = ".sweep.lock"
RACE = "race.json"
SUMMARY = "summary.csv"
SUMMARY_TABLE = "summary.md"
SEARCH_LOCK = ".search.lock"
"""Held by the process that runs a search or a race."""
JOURNAL = "optuna.journal"
TRIAL_LOCK = ".ask"
"""Held while a worker of a search counts the trials and takes the next one."""
CLAIM = ".claim"
"""Locked by the process that trains the run; the system releases it however that ends."""
RATE_COURSE = "rate.csv"
RATE_RESULT = "rate.json"
RATE_PICTURE = "rate.png"
"""Of a learning-rate range test, in a folder of its own."""

DESCRIPTIONS = {
    CONFIG: "the resolved config",
    RUN: "identity, status, versions, machine",
    HISTORY: "one row per epoch; losses with the penalty",
    LAYERS: "inside the net: one row per epoch and layer",
    METRICS: "final figures",
    MODEL: "takes raw uint8 images, opens in plain Keras",
    PREDICTIONS: "class probabilities of test and validation",
    CLASSIFICATION_REPORT: "precision, recall, F1 per class",
    CONFUSION_MATRIX: "rows true, columns predicted",
    CONFUSION_MATRIX_PICTURE: "the same as a picture",
    LEARNING_CURVES: "loss, accuracy, rate by epoch",
    SAMPLES: "sixteen training images",
    LAYERS_PICTURE: "inside the net, layer by layer",
    WEIGHTS_PICTURE: "what the first layer looks for",
    LOG: "what was logged; the traceback of a failure",
    TENSORBOARD: "for tensorboard --logdir",
    CHECKPOINT: "what resume needs",
}

RUN_ENTRIES = (*(name for name in DESCRIPTIONS if name != RUN), HEARTBEAT, HYDRA, CLAIM, RUN)
"""All that mlptrain writes into a run's folder, in the order in which it is removed."""
SWEEP_ENTRIES = (
    *(SUMMARY, SUMMARY_TABLE, "multirun.yaml", ".submitit", TRIAL_LOCK, f"{JOURNAL}.lock"),
    *(JOURNAL, RACE, SEARCH_LOCK, SWEEP_LOCK, SWEEP),
)
"""The same for the folder of a sweep or a search, besides the folders of its runs."""

LATEST = "latest"
