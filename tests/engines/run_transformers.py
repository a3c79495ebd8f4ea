"""Runs transformers' continuous batching, and `generate` behind a FastAPI application, under the
hook, and checks what the hook recorded.

usage: run_transformers.py FOLDER [REQUESTS [SEED]]

Uses the environment that run_vllm.py installs. Exit code 77 and one line on stdout when it is not
there or cannot be.
"""

import glob
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import hooklog
import install

SKIPPED = 77


def serve(n_requests, seed):
    """In the environment, under the hook: prints what was asked for and what came back."""
    import asyncio
    import random

    import torch
    from fastapi import FastAPI, Request
    from starlette.concurrency import run_in_threadpool
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM
    from transformers.generation import ContinuousBatchingConfig

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    chance = random.Random(seed)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    sizes.update(num_attention_heads=4, num_key_value_heads=2, vocab_size=512)
    model = LlamaForCausalLM(LlamaConfig(max_position_embeddings=2048, **sizes)).eval()

    app = FastAPI()

    @app.post("/generate/{rows}/{length}/{n_new}")
    async def generate(rows: int, length: int, n_new: int, request: Request):
        tokens = torch.full((rows, length), 7)
        options = {"max_new_tokens": n_new, "do_sample": False, "eos_token_id": None}
        output = await run_in_threadpool(model.generate, tokens, pad_token_id=0, **options)
        return {"length": output.shape[1]}

    async def call(path, headers):
        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            if message["type"] == "http.response.start":
                assert message["status"] == 200, message

        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1"}
        scope.update(method="POST", path=path, raw_path=path.encode(), query_string=b"")
        scope.update(root_path="", scheme="http", headers=headers, client=("127.0.0.1", 1))
        await app(dict(scope, server=("127.0.0.1", 80)), receive, send)

    async def calls():
        for number in range(4):
            parent = "00-{:032x}-{:016x}-01".format(number + 1, number + 1)
            headers = [(b"x-request-id", b"http-%d" % number), (b"traceparent", parent.encode())]
            await call("/generate/2/{}/5".format(10 + number), headers)

    asyncio.run(calls())

    options = {"max_batch_tokens": 128, "num_blocks": 64, "block_size": 32}
    options.update(use_cuda_graph=False, use_async_batching=False)
    manager = model.init_continuous_batching(
        generation_config=GenerationConfig(
            max_new_tokens=32, do_sample=False, eos_token_id=-1, pad_token_id=0
        ),
        continuous_batching_config=ContinuousBatchingConfig(**options),
    )
    manager.start()
    asked = {}
    for number in range(n_requests):
        tokens = [chance.randrange(3, 512) for _ in range(chance.randint(1, 300))]
        name = "req-{:04d}".format(number)
        asked[name] = [len(tokens), chance.randint(1, 32)]
        manager.add_request(tokens, request_id=name, max_new_tokens=asked[name][1])
    answered = {}
    while len(answered) < n_requests:
        result = manager.get_result(timeout=60)
        if result is None:
            raise SystemExit("no result in a minute")
        if result.is_finished():
            answered[result.request_id] = len(result.generated_tokens)
    manager.stop(block=True)
    print("RESULT " + json.dumps({"asked": asked, "answered": answered}))


def check(folder, result):
    """What the hook recorded against what was asked for and answered."""
    logs = [hooklog.HookLog(path) for path in glob.glob(os.path.join(folder, "*.uhook"))]
    (log,) = [log for log in logs if log.steps]
    own, first, calls = {}, {}, {}
    for step in log.steps:
        for name, tokens, computed, _ in step.members:
            own[name] = own.get(name, 0) + tokens
            first.setdefault(name, computed)
            calls.setdefault(name, []).append(tokens)
    problems = [n for n in log.notes if n["event"] in ("disabled", "missing")]
    exact = 0
    for name, (prompt, _) in result["asked"].items():
        expected = prompt + result["answered"][name] - 1 - first.get(name, 0)
        exact += own.get(name) == expected
    batches = [len(s.members) for s in log.steps if len(s.members) > 1]
    print(
        "{} of {} requests with exactly their tokens, in {} steps of up to {} members; "
        "{} pairs of request and step".format(
            exact, len(result["asked"]), len(log.steps), max(batches or [0]), sum(map(len, calls.values()))
        )
    )
    generated = {name: tokens for name, tokens in calls.items() if name.startswith("http-")}
    wanted = {"http-{0}-{0}".format(n): [2 * (10 + n)] + [2] * 4 for n in range(4)}
    print("{} of {} calls of generate as expected".format(
        sum(generated.get(name) == tokens for name, tokens in wanted.items()), len(wanted)))
    named = [r for r in log.requests if r["source"] == 3 and "traceparent" in r]
    if problems or exact != len(result["asked"]) or generated != wanted or len(named) != 4:
        raise SystemExit("the hook's record is wrong: {} {} {}".format(problems, generated, named))


def main():
    """Command line."""
    folder = os.path.abspath(sys.argv[1])
    numbers = [int(word) for word in sys.argv[2:4]] + [40, 1][len(sys.argv[2:4]) :]
    os.makedirs(folder, exist_ok=True)
    try:
        if os.environ.get("UNDERSPAN_IF_INSTALLED") and not install.has_vllm():
            raise install.Skip("the environment of run_vllm.py is not in the cache")
        python = install.vllm()
    except install.Skip as reason:
        print("skipped: {}".format(reason))
        sys.exit(SKIPPED)
    hook = os.path.abspath(os.path.join(HERE, "..", "..", "capture", "hook"))
    environment = dict(os.environ, PYTHONPATH=hook, UNDERSPAN_HOOK_DIR=folder, HF_HUB_OFFLINE="1")
    code = "import sys; sys.path.insert(0, {!r}); import run_transformers as r; r.serve({}, {})"
    done = subprocess.run(
        [python, "-c", code.format(HERE, *numbers)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode != 0 or not lines:
        raise SystemExit(done.stderr[-3000:])
    check(folder, json.loads(lines[0][7:]))


if __name__ == "__main__":
    main()
