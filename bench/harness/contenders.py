"""Who takes part, and the Debian packages that each needs."""

import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).parents[2]
PYTHON = "/usr/bin/python3"  # the distribution's, which has its uvloop

RUST = ("cargo", "rustc", "librust-tokio-dev", "librust-async-channel-dev", "librust-rayon-dev")
PACKAGES = {
    "weft": ("libbenchmark-dev", "libmimalloc-dev"),
    "weft_echo": (),
    "weft_httpd": (),
    "plain": ("libbenchmark-dev",),
    "epoll": (),
    "asio": ("libboost1.81-dev",),
    "asio_strand": ("libboost1.81-dev",),
    "libuv": ("libuv1-dev",),
    "tbb": ("libtbb-dev",),
    "tokio": RUST,
    "tokio_mt": RUST,
    "rayon": RUST,
    "go": ("golang-go",),
    "go_http": ("golang-go",),
    "asyncio": ("python3",),
    "uvloop": ("python3-uvloop",),
    "nginx": ("nginx-light",),
}

# Shown, but no contender for "best": what the machine can do at all.
LIMITS = ("plain", "epoll")
# What this repository can make faster or slower; the others show how the machine drifts.
OURS = "weft"



def is_ours(contender):
    return contender == OURS or contender.startswith(OURS + "_")


def missing_packages():
    """{contender: packages it lacks}; empty where there is no dpkg to ask."""
    if not shutil.which("dpkg-query"):
        return {}
    wanted = sorted({package for packages in PACKAGES.values() for package in packages})
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted],
                           capture_output=True, text=True)
    installed = {line.split()[0] for line in asked.stdout.splitlines() if line.endswith(" installed")}
    if shutil.which("nginx", path="/usr/sbin:/usr/bin"):
        installed.add("nginx-light")  # any of nginx's flavours will do
    lacking = {name: [one for one in packages if one not in installed] for name, packages in PACKAGES.items()}
    return {name: packages for name, packages in lacking.items() if packages}


def apt_line(lacking):
    """The command that installs what the contenders of `lacking` need."""
    return "apt install " + " ".join(sorted({package for packages in lacking.values() for package in packages}))
