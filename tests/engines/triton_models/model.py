"""The Python model of every Triton test model: adds one, takes a while, and writes down who was in
each execution. That log is the truth that rebuilt batches are compared with."""

import json
import os
import sys
import time

# The server's stub processes start their interpreters without PYTHONPATH.
sys.path.append(os.environ["UNDERSPAN_TRITON_PACKAGES"])

import triton_python_backend_utils as utils


class TritonPythonModel:
    """One instance."""

    def initialize(self, args):
        """Opens the log."""
        parameters = json.loads(args["model_config"])["parameters"]
        self.seconds = float(parameters["seconds"]["string_value"])
        self.model = args["model_name"]
        name = "executions.{}.jsonl".format(args["model_instance_name"])
        path = os.path.join(parameters["log_folder"]["string_value"], name)
        self.log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def execute(self, requests):
        """One execution of a batch."""
        start_ns = time.monotonic_ns()
        responses = []
        for request in requests:
            rows = utils.get_input_tensor_by_name(request, "X").as_numpy()
            responses.append(utils.InferenceResponse([utils.Tensor("Y", rows + 1)]))
        until = start_ns + int(self.seconds * 1e9)
        while time.monotonic_ns() < until:
            time.sleep(0.0005)
        facts = {
            "model": self.model,
            "members": [request.request_id() for request in requests],
            "start_ns": start_ns,
            "end_ns": time.monotonic_ns(),
        }
        os.write(self.log, (json.dumps(facts) + "\n").encode())
        return responses
