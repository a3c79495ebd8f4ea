"""What came of the cases: checks with what was expected and found, facts without a right answer."""

import json
import os
import traceback


class Skip(Exception):
    """A case cannot run here, and why."""


class Result:
    """What one case found out."""

    def __init__(self, name, about=""):
        self.name = name
        self.about = about
        self.checks = []
        self.facts = {}
        self.reason = None
        self.error = None
        self.seconds = 0.0

    def check(self, what, expected, found, passed=None):
        """Notes a check; passes when both are equal unless `passed` says otherwise."""
        passed = expected == found if passed is None else bool(passed)
        self.checks.append({"what": what, "expected": expected, "found": found, "passed": passed})
        return passed

    def near(self, what, expected, found, tolerance):
        """Notes a check of a quantity, with a relative tolerance."""
        passed = abs(found - expected) <= tolerance * abs(expected)
        return self.check(what, "{} ± {:g} %".format(number(expected), 100 * tolerance), number(found), passed)

    def at_least(self, what, least, found):
        """Notes a check against a lower bound."""
        return self.check(what, "≥ {}".format(number(least)), number(found), found >= least)

    def at_most(self, what, most, found):
        """Notes a check against an upper bound."""
        return self.check(what, "≤ {}".format(number(most)), number(found), found <= most)

    @property
    def failures(self):
        return [check for check in self.checks if not check["passed"]]

    @property
    def has_failed(self):
        return bool(self.failures) or self.error is not None

    @property
    def state(self):
        if self.has_failed:
            return "failed"
        return "skipped" if self.reason else "passed"

    def line(self):
        """One line for a person who watches."""
        text = "{} in {:.0f} s".format(self.state, self.seconds)
        if self.reason:
            return "{}: {}".format(text, self.reason)
        if self.error:
            return "{}: {}".format(text, self.error.strip().splitlines()[-1])
        failed = ["{what}: expected {expected}, found {found}".format(**check) for check in self.failures]
        return "; ".join([text] + failed)

    def as_json(self):
        return {
            "name": self.name,
            "about": self.about,
            "state": self.state,
            "reason": self.reason,
            "error": self.error,
            "seconds": round(self.seconds, 1),
            "checks": self.checks,
            "facts": self.facts,
        }


def guarded(case, kit, seconds_left):
    """Runs a case; what goes wrong in it is its result. One that would not fit is not begun."""
    result = Result(case.name, case.about)
    if seconds_left < case.seconds:
        result.reason = "out of time: it takes {} s, {:.0f} s were left".format(case.seconds, max(seconds_left, 0))
        return result
    try:
        case.run(kit, result)
    except Skip as reason:
        result.reason = str(reason)
    except Exception:  # A case that breaks is a finding, and the next one still runs.
        result.error = traceback.format_exc()
    return result


def summary(results):
    """Counts of passed, failed and skipped cases."""
    states = [result.state for result in results]
    return "{} passed, {} failed, {} skipped".format(*(states.count(s) for s in ("passed", "failed", "skipped")))


def write(folder, machine, results):
    """Writes results.json and results.md."""
    document = {"schema": 1, "machine": machine, "cases": [result.as_json() for result in results]}
    for name, text in (("results.json", json.dumps(document, indent=1) + "\n"), ("results.md", markdown(document))):
        unfinished = os.path.join(folder, name + ".incomplete")
        with open(unfinished, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(unfinished, os.path.join(folder, name))


def markdown(document):
    """The same for people."""
    lines = ["# GPU acceptance", ""]
    lines += ["- {}: {}".format(key, plain(value)) for key, value in document["machine"].items()]
    lines += ["", "| case | state | check | expected | found |", "|---|---|---|---|---|"]
    for case in document["cases"]:
        head = [case["name"], "{} ({:.0f} s)".format(case["state"], case["seconds"])]
        rows = [[check["what"], check["expected"], mark(check)] for check in case["checks"]]
        if case["reason"] or case["error"] or not rows:
            words = case["reason"] or (case["error"] or "no check").strip().splitlines()[-1]
            rows.append([words, "", ""])
        for row in rows:
            lines.append("| " + " | ".join(cell(value) for value in head + row) + " |")
            head = ["", ""]
    facts = [(case["name"], key, value) for case in document["cases"] for key, value in case["facts"].items()]
    if facts:
        lines += ["", "## Measured", "", "| case | what | value |", "|---|---|---|"]
        lines += ["| " + " | ".join(cell(value) for value in fact) + " |" for fact in facts]
    return "\n".join(lines) + "\n"


def mark(check):
    return plain(check["found"]) + ("" if check["passed"] else " **✗**")


def cell(value):
    """Text that stays within a cell of a table."""
    return plain(value).replace("|", "\\|").replace("\n", " ")


def plain(value):
    if value in ({}, [], ()):
        return "none"
    if isinstance(value, dict):
        return ", ".join("{} {}".format(key, plain(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return "; ".join(plain(item) for item in value)
    return number(value)


def number(value):
    """Four significant digits for fractions, everything else as it is."""
    if not isinstance(value, float):
        return str(value)
    return "{:.0f}".format(value) if abs(value) >= 1000 else "{:.4g}".format(value)
