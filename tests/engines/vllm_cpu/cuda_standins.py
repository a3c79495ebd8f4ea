"""Stand-ins for the CUDA libraries that PyPI's torch is linked against.

torch for the CPU alone is not on PyPI, and the CUDA build does not load without its libraries
(some gigabytes). Each library that is missing is built from the symbols torch wants of it: every
function answers "no device", so torch finds none and computes on the CPU.

usage: cuda_standins.py FOLDER_OF_TORCH_LIBRARIES
"""

import collections
import os
import re
import subprocess
import sys

# The C library and compiler runtime, and what torch brings itself.
_PRESENT = re.compile(r"^(ld-linux|lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+|gomp|util)\.so)")

# cudaErrorNoDevice, which most callers take for "no GPU here".
_DEFAULT = "int {0}(void) {{ return 100; }}"
_SPECIAL = [
    (r".*(ErrorString|ErrorName|GetLastError)$", 'const char *{0}(void) {{ return "no CUDA"; }}'),
    (r"cuda(Get|PeekAt)LastError$", "int {0}(void) {{ return 0; }}"),
    (r"cudaGetDeviceCount$", "int {0}(int *n) {{ if (n) *n = 0; return 100; }}"),
    (r"cuda(Driver|Runtime)GetVersion$", "int {0}(int *v) {{ if (v) *v = 0; return 0; }}"),
    (r"__cudaRegisterFatBinary$", "static void *handle[8]; void **{0}(void *b) {{ (void)b; return handle; }}"),
    (r"__cuda.*Register.*", "int {0}(void) {{ return 0; }}"),
]


def _tool(*arguments):
    return subprocess.run(arguments, stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout


class Library:
    """What one shared library needs and offers."""

    def __init__(self, path):
        self.needed = re.findall(r"\(NEEDED\).*\[(.+)\]", _tool("readelf", "-dW", path))
        self.owner_of_version = {}
        owner = None
        for line in _tool("readelf", "-VW", path).splitlines():
            file = re.search(r"File: (\S+)", line)
            version = re.search(r"Name: (\S+)\s+Flags", line)
            if file:
                owner = file.group(1)
            elif version and owner:
                self.owner_of_version[version.group(1)] = owner
        self.wanted, self.offered = set(), set()
        for line in _tool("readelf", "-W", "--dyn-syms", path).splitlines():
            columns = line.split()
            if len(columns) < 8 or not columns[0].rstrip(":").isdigit():
                continue
            name, _, version = columns[7].partition("@")
            if columns[6] != "UND":
                self.offered.add(name)
            elif columns[4] == "GLOBAL":
                self.wanted.add((name, version.lstrip("@")))


def plan(folder):
    """Missing library -> {version: names of functions}. Functions without a version are looked up
    in all libraries, so that any one may have them."""
    names = [name for name in os.listdir(folder) if ".so" in name]
    libraries = [Library(os.path.join(folder, name)) for name in names]
    needed = {name for library in libraries for name in library.needed}
    missing = sorted(name for name in needed - set(names) if not _PRESENT.match(name))
    wanted = {name: collections.defaultdict(set) for name in missing}
    offered = set().union(*(library.offered for library in libraries))
    for library in libraries:
        for name, version in library.wanted:
            owner = library.owner_of_version.get(version)
            if owner in wanted:
                wanted[owner][version].add(name)
            elif not version and name not in offered and missing and _is_foreign(name):
                wanted[missing[0]][""].add(name)
    return wanted


def _is_foreign(name):
    return re.match(r"(cu[A-Z]|cu[a-z]+[A-Z]|nccl|nv|Nv|__cuda)", name) is not None


def build(folder):
    """Builds every stand-in into the folder; returns their names."""
    wanted = plan(folder)
    for soname, versions in wanted.items():
        source, script = os.path.join(folder, soname + ".c"), os.path.join(folder, soname + ".map")
        functions = sorted(set().union(*versions.values())) if versions else []
        with open(source, "w") as file:
            file.writelines(_function(name) + "\n" for name in functions)
        with open(script, "w") as file:
            for version, names in versions.items():
                if version:
                    file.write("{} {{ global: {}; }};\n".format(version, "; ".join(sorted(names))))
        command = ["cc", "-shared", "-fPIC", "-O1", "-w", "-fno-builtin", source]
        command += ["-o", os.path.join(folder, soname), "-Wl,-soname," + soname]
        if os.path.getsize(script):
            command.append("-Wl,--version-script=" + script)
        subprocess.run(command, check=True)
        os.unlink(source)
        os.unlink(script)
    return sorted(wanted)


def _function(name):
    for pattern, text in reversed(_SPECIAL):
        if re.match(pattern, name):
            return text.format(name)
    return _DEFAULT.format(name)


if __name__ == "__main__":
    print(" ".join(build(sys.argv[1])))
