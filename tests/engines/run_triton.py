"""Serves models with the real Triton server, without a GPU, and leaves its traces in a folder.

usage: run_triton.py FOLDER [json|otel [REQUESTS [SEED]]]

FOLDER gets trace.json (or otlp.jsonl, the export requests as they came), clock.json,
executions.*.jsonl (who was in each execution, by the models themselves) and client.jsonl.
Exit code 77 and one line on stdout when this machine cannot run it.
"""

import http.client
import http.server
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import install
from triton_models import repository

SKIPPED = 77


class Receiver(http.server.ThreadingHTTPServer):
    """Takes OTLP over HTTP and keeps every body."""

    daemon_threads = True

    def __init__(self, folder):
        self.path, self.lock = os.path.join(folder, "otlp.jsonl"), threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock, open(self.server.path, "ab") as file:
            file.write(body.replace(b"\n", b" ") + b"\n")
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments):
        """Says nothing."""


class Server:
    """A running tritonserver."""

    def __init__(self, folder, trace_options):
        home, version = install.triton()
        numpy = install.packages("triton-numpy", ["numpy==1.26.4"], version)
        models = os.path.join(folder, "models")
        repository.write(models, folder)
        self.http, self.grpc = _free_port(), _free_port()
        backends = os.path.join(folder, "backends")
        _link_backends(home, version, backends)
        command = [os.path.join(home, "bin", "tritonserver"), "--model-repository=" + models]
        command += ["--backend-directory=" + backends, "--http-address=127.0.0.1"]
        command += ["--grpc-address=127.0.0.1", "--allow-metrics=false", "--log-verbose=0"]
        command += ["--http-port={}".format(self.http), "--grpc-port={}".format(self.grpc)]
        command += [word for option in trace_options for word in ("--trace-config", option)]
        environment = dict(os.environ, UNDERSPAN_TRITON_PACKAGES=numpy, PYTHONDONTWRITEBYTECODE="1")
        environment.pop("PYTHONPATH", None)
        self.log = os.path.join(folder, "server.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)

    def wait_ready(self):
        """Until it answers, or says why not."""
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=5)
                connection.request("GET", "/v2/health/ready")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        self.stop()
        with open(self.log, errors="replace") as log:
            raise SystemExit("tritonserver is not ready:\n" + log.read()[-3000:])

    def stop(self):
        """Ends it the way its traces are written out."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _link_backends(home, version, folder):
    """The backend folder with the stub of one Python version."""
    python = os.path.join(folder, "python")
    os.makedirs(python)
    source = os.path.join(home, "backends", "python")
    for name in os.listdir(source):
        os.symlink(os.path.join(source, name), os.path.join(python, name))
    stub = os.path.join(home, "python_backend_stubs", version, "triton_python_backend_stub")
    os.symlink(stub, os.path.join(python, "triton_python_backend_stub"))


def drive(server, n_requests, seed):
    """Poisson arrivals over HTTP and, where grpcio can be had, gRPC; some share a model or not."""
    chance = random.Random(seed)
    channel = _grpc_channel(server.grpc)
    records, lock, threads = [], threading.Lock(), []
    due = time.monotonic()
    for number in range(n_requests):
        due += chance.expovariate(90)
        time.sleep(max(due - time.monotonic(), 0))
        record = {
            "request": "r{}-{:05d}".format(seed, number),
            "model": chance.choices(["patient", "eager", "both"], [5, 3, 2])[0],
            "rows": chance.choice([1, 1, 1, 2, 4]),
            "protocol": "grpc" if channel is not None and chance.random() < 0.4 else "http",
            "traceparent": "00-{:032x}-{:016x}-01".format(
                chance.getrandbits(128) | 1, chance.getrandbits(64) | 1
            ),
        }
        thread = threading.Thread(target=_request, args=(server, channel, record, records, lock))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    return sorted(records, key=lambda record: record["request"])


def _request(server, channel, record, records, lock):
    record["start_ns"] = time.monotonic_ns()
    try:
        if record["protocol"] == "grpc":
            call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            call(_protobuf(record), timeout=60, metadata=(("traceparent", record["traceparent"]),))
        else:
            _http_infer(server.http, record)
        record["ok"] = True
    except Exception as error:
        record["ok"], record["error"] = False, str(error)[:200]
    record["end_ns"] = time.monotonic_ns()
    with lock:
        records.append(record)


def _http_infer(port, record):
    rows = record["rows"]
    tensor = {"name": "X", "shape": [rows, 4], "datatype": "FP32", "data": [0.5] * (rows * 4)}
    body = json.dumps({"id": record["request"], "inputs": [tensor]})
    headers = {"Content-Type": "application/json", "traceparent": record["traceparent"]}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/v2/models/{}/infer".format(record["model"]), body, headers)
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    if response.status != 200 or len(json.loads(answer)["outputs"][0]["data"]) != rows * 4:
        raise ValueError("{} {}".format(response.status, answer[:100]))


def _protobuf(record):
    """ModelInferRequest: 1 model_name, 3 id, 5 inputs {1 name, 2 datatype, 3 shape}, 7 raw content."""
    field = lambda number, data: bytes((number << 3 | 2, len(data))) + data
    rows = record["rows"]
    tensor = field(1, b"X") + field(2, b"FP32") + field(3, bytes((rows, 4)))
    content = bytes((7 << 3 | 2,)) + _length(rows * 16) + b"\0" * (rows * 16)
    names = field(1, record["model"].encode()) + field(3, record["request"].encode())
    return names + field(5, tensor) + content


def _length(n):
    return bytes((n,)) if n < 128 else bytes((n & 127 | 128, n >> 7))


def _grpc_channel(port):
    try:
        path = install.packages("grpcio", ["grpcio==1.85.3", "typing_extensions"])
        sys.path.insert(0, path)
        import grpc

        return grpc.insecure_channel("127.0.0.1:{}".format(port))
    except (install.Skip, ImportError) as error:
        print("without gRPC: {}".format(error))
        return None


def main():
    """Command line."""
    folder = os.path.abspath(sys.argv[1])
    mode = sys.argv[2] if len(sys.argv) > 2 else "json"
    n_requests = int(sys.argv[3]) if len(sys.argv) > 3 else 300
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    os.makedirs(folder, exist_ok=True)
    options = ["rate=1", "level=TIMESTAMPS", "count=-1"]
    receiver = None
    if mode == "otel":
        receiver = Receiver(folder)
        url = "http://127.0.0.1:{}/v1/traces".format(receiver.server_address[1])
        options += ["mode=opentelemetry", "opentelemetry,url=" + url]
    else:
        options += ["mode=triton", "triton,file=" + os.path.join(folder, "trace.json")]
    began = time.monotonic()
    try:
        server = Server(folder, options)
    except install.Skip as reason:
        print("skipped: {}".format(reason))
        sys.exit(SKIPPED)
    try:
        server.wait_ready()
        ready = time.monotonic()
        with open(os.path.join(folder, "clock.json"), "w") as file:
            json.dump({"realtime_ns": time.time_ns(), "monotonic_ns": time.monotonic_ns()}, file)
        records = drive(server, n_requests, seed)
    finally:
        server.stop()
    with open(os.path.join(folder, "client.jsonl"), "w") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    bad = [record for record in records if not record["ok"]]
    print(
        "{} requests, {} failed; ready after {:.1f} s, done after {:.1f} s".format(
            len(records), len(bad), ready - began, time.monotonic() - began
        )
    )
    if bad:
        raise SystemExit("failed: {}".format(bad[0]))


if __name__ == "__main__":
    main()
