"""The models a Triton server is started with."""

import os
import shutil

HERE = os.path.dirname(os.path.abspath(__file__))

CONFIG = """name: "{name}"
backend: "python"
max_batch_size: 8
input [{{ name: "X", data_type: TYPE_FP32, dims: [4] }}]
output [{{ name: "Y", data_type: TYPE_FP32, dims: [4] }}]
instance_group [{{ count: {instances}, kind: KIND_CPU }}]
dynamic_batching {{ {batching} }}
parameters {{ key: "seconds" value {{ string_value: "{seconds}" }} }}
parameters {{ key: "log_folder" value {{ string_value: "{log_folder}" }} }}
"""

ENSEMBLE = """name: "both"
platform: "ensemble"
max_batch_size: 8
input [{ name: "X", data_type: TYPE_FP32, dims: [4] }]
output [{ name: "Y", data_type: TYPE_FP32, dims: [4] }]
ensemble_scheduling { step [
  { model_name: "eager" model_version: -1 input_map { key: "X" value: "X" } output_map { key: "Y" value: "M" } },
  { model_name: "patient" model_version: -1 input_map { key: "X" value: "M" } output_map { key: "Y" value: "Y" } }
] }
"""


def write(folder, log_folder):
    """`patient` waits up to 40 ms for a batch, `eager` not at all, `both` is one after the other."""
    models = {
        "patient": ("preferred_batch_size: [4, 8] max_queue_delay_microseconds: 40000", 1, 0.004),
        "eager": ("", 2, 0.006),
    }
    for name, (batching, instances, seconds) in models.items():
        version = os.path.join(folder, name, "1")
        os.makedirs(version)
        shutil.copy(os.path.join(HERE, "model.py"), version)
        config = CONFIG.format(
            name=name, batching=batching, instances=instances, seconds=seconds, log_folder=log_folder
        )
        with open(os.path.join(folder, name, "config.pbtxt"), "w") as file:
            file.write(config)
    os.makedirs(os.path.join(folder, "both", "1"))
    with open(os.path.join(folder, "both", "config.pbtxt"), "w") as file:
        file.write(ENSEMBLE)
