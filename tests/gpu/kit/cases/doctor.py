"""The doctor says that GPU work can be recorded here."""

SECONDS = 10


def run(kit, result):
    told = kit.doctor()
    if not kit.double:
        result.check("records GPU work", True, told["records_gpu_work"])
        bad = [check["found"] for check in told["checks"] if check["health"] == "bad"]
        result.check("checks that are bad", [], bad)
    result.check("records requests", True, told["records_requests"])
    for check in told["checks"]:
        if check["id"] in ("driver", "cupti", "sharing"):
            result.facts.setdefault(check["id"], []).append(check["found"])
