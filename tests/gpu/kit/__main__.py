"""Runs the cases one after the other within a time limit, and writes what came of them.

Exit code 0 when nothing failed, also when there is no GPU; 1 when a check failed; 2 when the kit
cannot run at all."""

import argparse
import os
import sys
import time

import cases
import machine
import report
from recording import Underspan


def arguments(words):
    parser = argparse.ArgumentParser(prog="tests/gpu/run", description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="gpu-results", help="folder for results and captures [gpu-results]")
    parser.add_argument("--only", help="names of cases, with commas between")
    parser.add_argument("--minutes", type=float, default=9.0, help="time for everything [9]")
    parser.add_argument("--bin", help="folder of underspan and the collector [target/release]")
    parser.add_argument("--records", type=int, default=30_000_000, help="records of the long recording [30 million]")
    parser.add_argument("--double", metavar="LIBRARY", help="run on the CUDA driver of tests/fake-driver instead")
    parser.add_argument("--list", action="store_true", help="list the cases and end")
    return parser.parse_args(words)


def run(options, say=print, clock=time.monotonic):
    """Runs what was asked for; answers the exit code."""
    chosen = cases.chosen(options.only)
    if options.list:
        for case in chosen:
            say("{:12} {:4} s  {}".format(case.name, case.seconds, case.about))
        return 0
    if not options.double:
        reason = machine.why_not()
        if reason:
            say("skipped: " + reason)
            return 0
    os.makedirs(options.out, exist_ok=True)
    programs = machine.programs(options.bin)
    deadline = clock() + 60 * options.minutes
    kit = Underspan(programs, os.path.abspath(options.out), options.double, deadline, clock)
    kit.n_records = options.records
    facts = machine.facts(kit)
    results = []
    for case in chosen:
        say("{}: {}".format(case.name, case.about))
        started = clock()
        result = report.guarded(case, kit, deadline - started)
        result.seconds = clock() - started
        say("  " + result.line())
        results.append(result)
        # After every case: a run that is cut short still leaves what it found out.
        report.write(options.out, facts, results)
    say(report.summary(results) + ": " + os.path.join(options.out, "results.md"))
    return 1 if any(result.has_failed for result in results) else 0


if __name__ == "__main__":
    try:
        sys.exit(run(arguments(sys.argv[1:])))
    except (machine.CannotRun, cases.Unknown) as error:
        print("tests/gpu/run: {}".format(error), file=sys.stderr)
        sys.exit(2)
