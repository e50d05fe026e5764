"""A config in one line, for titles and start panels."""

from mlptrain.config.schema import Config


def recipe_line(config: Config) -> str:
    """Return a line such as `512-256 relu he_normal · rmsprop 0.001 · l2 0.0001 · batch 64`."""
    optimizer = f"{config.optimizer.name} {config.optimizer.learning_rate:g}"
    if config.schedule.name != "constant":
        optimizer += f" {config.schedule.name}"
    net, *options = config.model.describe()
    parts = [f"{net} {config.activation.name} {config.initializer.name}", optimizer, *options]
    regularization = config.regularization
    for key in ("l1", "l2", "label_smoothing", "max_norm", "clip_norm"):
        if value := getattr(regularization, key):
            parts.append(f"{key.replace('_', ' ')} {value:g}")
    for augmentation in config.active_augmentations().values():
        parts += augmentation.describe()
    if config.data.class_weights is not None:
        parts.append(f"class weights {config.data.class_weights}")
    parts.append(f"batch {config.train.batch_size}")
    if config.train.ema:
        parts.append(f"ema {config.train.ema:g}")
    return " · ".join(parts)
