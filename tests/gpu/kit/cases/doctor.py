"""The doctor says that GPU work can be recorded here."""

SECONDS = 10

# What says something about this GPU machine.
TOLD = ("driver", "cupti", "nvml", "mig", "mps", "vgpu")


def run(kit, result):
    told = kit.doctor()
    if not kit.double:
        result.check("records GPU work", True, told["records_gpu_work"])
    result.check("records requests", True, told["records_requests"])
    for check in told["checks"]:
        # A machine may have a libcupti that does not fit beside the one that is used.
        if check["id"] in TOLD or check["health"] == "bad":
            result.facts.setdefault(check["id"], []).append("{health}: {found}".format(**check))
