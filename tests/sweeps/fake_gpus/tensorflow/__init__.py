"""TensorFlow on a machine where it can use a GPU or, with FAKE_CPU_ONLY, cannot."""

import os
from types import SimpleNamespace

_gpus = [] if os.environ.get("FAKE_CPU_ONLY") else ["GPU:0"]
config = SimpleNamespace(list_physical_devices=lambda kind: _gpus)
