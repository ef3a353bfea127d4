"""Network workloads: a server program in one process, load_client in another.

What counts is the server's CPU time per message, which is far steadier than messages per second: client and server share
few CPUs. With one worker the server is on CPU 0 and the client on CPU 1, unless --unpinned.
"""

import dataclasses
import http.client
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from . import contenders
from .programs import BENCH, Failed


@dataclasses.dataclass
class Workload:
    name: str
    folder: str  # of the servers
    client: tuple  # arguments of load_client
    connections: tuple  # of a full run
    quick: tuple  # of --quick
    measure: str = "cpu"  # a method of Job


WORKLOADS = (
    Workload("echo", "echo", ("--mode", "echo"), (1, 64, 1000, 10000), (1, 64, 1000)),
    Workload("echo/churn", "echo", ("--mode", "churn"), (16,), (16,)),
    Workload("echo/idle", "echo", ("--mode", "echo", "--hold"), (1000, 10000), (1000,), "memory"),
    Workload("http_plaintext", "http_plaintext", ("--mode", "http"), (64, 1000), (64,)),
    Workload("http_plaintext/pipelined:16", "http_plaintext", ("--mode", "http", "--pipeline", "16"), (64,), (64,)),
    Workload("http_plaintext/churn", "http_plaintext", ("--mode", "http-churn"), (16,), (16,)),
    Workload("http_plaintext/idle", "http_plaintext", ("--mode", "http", "--hold"), (1000, 10000), (1000,), "memory"),
    Workload("bulk/1MiB", "bulk", ("--mode", "echo", "--size", str(1 << 20)), (4,), (4,)),
    Workload("stuck_task", "stuck_task", ("--mode", "echo", "--pause-us", "1000"), (16,), (16,), "latency"),
)


# Programs of tools/ that do a folder's work: whole servers, with limits and time-outs, beside the bare streams.
WHOLE_SERVERS = {"echo": "weft-echo", "http_plaintext": "weft-httpd"}


def fields(line):
    return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", line)}


def on_cpu(cpu):
    """For Popen's preexec_fn; None leaves the process where it is."""
    return None if cpu is None else lambda: os.sched_setaffinity(0, {cpu})


def children_cpu_ns():
    """CPU time of all processes that have ended and were awaited."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1e9


class Server:
    """A running server program."""

    def __init__(self, name, command, cpu):
        self.name = name
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=on_cpu(cpu))
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            self.kill()
            raise Failed(f"{name}: did not start: {line!r}")
        self.address = line.split()[-1]

    def resident_bytes(self):
        return resident_bytes(self.process.pid)

    def stop(self):
        """The CPU time of its whole life, as it says itself, or else as the kernel does."""
        before = children_cpu_ns()
        self.process.send_signal(signal.SIGTERM)
        try:
            output, _ = self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name}: still runs 30 s after SIGTERM") from None
        if self.process.returncode != 0:
            raise Failed(f"{self.name}: exit {self.process.returncode} after SIGTERM")
        return fields(output or "").get("cpu_ns", children_cpu_ns() - before)

    def kill(self):
        """Ends it if it still runs."""
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()


class Nginx(Server):
    """nginx answers from its configuration; its CPU time is that of master and workers."""

    COMMAND = shutil.which("nginx", path="/usr/sbin:/usr/bin") or "nginx"
    CONFIG = """
daemon off; pid {folder}/pid; error_log stderr crit; worker_processes {workers};
events {{ worker_connections 16384; multi_accept on; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; tcp_nodelay on; default_type text/plain;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s;
  server {{ listen {address} backlog=4096 reuseport; location / {{ return 200 "Hello, World!"; }} }}
}}
"""

    def __init__(self, workers, cpu):
        self.name = "nginx"
        self._folder = tempfile.TemporaryDirectory()
        folder = self._folder.name
        self.address = f"127.0.0.1:{free_port()}"
        path = pathlib.Path(folder) / "nginx.conf"
        path.write_text(self.CONFIG.format(folder=folder, workers=workers, address=self.address), encoding="utf-8")
        self.process = subprocess.Popen([self.COMMAND, "-e", "stderr", "-p", folder, "-c", str(path)], preexec_fn=on_cpu(cpu))
        wait_for_answer(self.address)

    def resident_bytes(self):
        """Of master and workers, which are its children."""
        master = self.process.pid
        children = pathlib.Path(f"/proc/{master}/task/{master}/children").read_text(encoding="ascii")
        return sum(map(resident_bytes, [master, *children.split()]))


def resident_bytes(process):
    statm = pathlib.Path(f"/proc/{process}/statm").read_text(encoding="ascii")
    return int(statm.split()[1]) * resource.getpagesize()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_answer(address):
    """The master listens before there are workers; one that answers has all the memory that it begins with."""
    for _ in range(200):
        probe = http.client.HTTPConnection(address, timeout=5)
        try:
            probe.request("GET", "/")
            probe.getresponse().read()
            return
        except ConnectionRefusedError:
            time.sleep(0.01)
        finally:
            probe.close()
    raise Failed(f"nginx does not answer on {address}")


class Job:
    """One contender under one load, for one round."""

    def __init__(self, workload, connections, contender, threads, start, client, options):
        self.workload, self.connections, self.contender, self.threads = workload, connections, contender, threads
        self._start, self._client, self._options = start, client, options
        self._pinned = threads == 1 and not options.unpinned and os.cpu_count() > 1
        self.name = f"{workload.name}/connections:{connections}"
        self.group, self.who = self.name, contender
        self.label = f"{self.name} {contender}, {threads} threads"

    def run(self, _):
        """Yields (workload, contender, threads, unit, value, more)."""
        server = self._start(self.threads, 0 if self._pinned else None)
        try:
            unit, value, more = getattr(self, "_measure_" + self.workload.measure)(server)
        finally:
            server.kill()
        yield self.name, self.contender, self.threads, unit, value, more

    def _client_command(self, server):
        return [self._client, "--connect", server.address, "--connections", str(self.connections), "--warmup", "0.3",
                "--seconds", str(self._options.seconds), *self.workload.client]

    def _load(self, server):
        """What load_client printed."""
        try:
            ran = subprocess.run(self._client_command(server), capture_output=True, text=True,
                                 preexec_fn=on_cpu(1 if self._pinned else None), timeout=self._options.seconds + 90)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.label}: load_client does not end") from None
        if ran.returncode != 0:
            raise Failed(f"{self.label}: {ran.stderr.strip()}")
        return fields(ran.stdout)

    def _measure_cpu(self, server):
        load = self._load(server)
        cpu_ns = server.stop()
        more = {"messages/s": load["messages"] / load["seconds"], "p50 us": load["p50_ns"] / 1e3,
                "p99 us": load["p99_ns"] / 1e3, "p99.9 us": load["p999_ns"] / 1e3}
        return "CPU ns", cpu_ns / load["all_messages"], more

    def _measure_latency(self, server):
        load = self._load(server)
        server.stop()
        more = {"p50 us": load["p50_ns"] / 1e3, "p99 us": load["p99_ns"] / 1e3, "max us": load["max_ns"] / 1e3}
        return "p99.9 us", load["p999_ns"] / 1e3, more

    def _measure_memory(self, server):
        before = server.resident_bytes()
        client = subprocess.Popen(self._client_command(server), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            line = client.stdout.readline()
            if line.strip() != "holding":
                raise Failed(f"{self.label}: load_client said {line!r}")
            held = server.resident_bytes() - before
        finally:
            client.communicate()
        server.stop()
        return "bytes", held / self.connections, {}


def find(build, folder):
    """{contender: (start function, most threads or None)} for the servers of a folder."""
    found = {}
    for source in sorted((BENCH / folder).glob("*.*")):
        built = build / "bench" / f"server_{folder}_{source.stem}"
        if not built.exists():
            built = build / f"server_{folder}_{source.stem}"
        if source.suffix in (".cpp", ".c", ".rs", ".go") and os.access(built, os.X_OK):
            found[source.stem] = (starter(f"{folder}/{source.stem}", [str(built)]), None)
        elif source.suffix == ".py" and os.access(contenders.PYTHON, os.X_OK):
            lacking = contenders.missing_packages()
            for loop in ("asyncio", "uvloop"):
                if loop not in lacking:
                    command = [contenders.PYTHON, str(source), "--loop", loop]
                    found[loop] = (starter(f"{folder}/{loop}", command), 1)
    if folder == "http_plaintext" and "nginx" not in contenders.missing_packages():
        found["nginx"] = (Nginx, None)
    program = build / "tools" / WHOLE_SERVERS.get(folder, "none")
    if os.access(program, os.X_OK):
        found[program.name.replace("-", "_")] = (starter(program.name, [str(program), "--listen", "127.0.0.1:0"]), None)
    return found


def starter(name, command):
    return lambda threads, cpu: Server(name, [*command, "--workers", str(threads)], cpu)


def jobs(build, options):
    """The jobs of one round."""
    client = next((path for path in (build / "bench/load_client", build / "load_client") if os.access(path, os.X_OK)), None)
    if client is None:
        return []
    planned = []
    for workload in WORKLOADS:
        found = find(build, workload.folder)
        for connections in workload.quick if options.quick else workload.connections:
            for threads in options.server_threads(workload.measure):
                for contender, (start, most) in found.items():
                    name = f"{workload.name}/connections:{connections}"
                    allowed = most is None or threads <= most
                    if allowed and options.wants(name, contender, threads):
                        planned.append(Job(workload, connections, contender, threads, start, str(client), options))
    return planned
