#!/usr/bin/env python3
"""How long a revocation takes to reach a live connection, over 20 runs.

usage: bench/revocation.py target/release/postern

Each run issues a certificate, opens a keep-alive connection with it, runs `cert revoke` as a
process of its own, and waits for the connection to be cut. Two figures: from the start of the
command to the cut, and from its return to the cut. Wall time; loopback only.
"""

import os
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

RUNS = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit("the gateway did not start")


def connect(port, name):
    context = ssl.create_default_context(cafile="postern-dev/root/root.crt")
    context.load_cert_chain(f"{name}.crt", f"{name}.key")
    raw = socket.create_connection(("127.0.0.1", port))
    stream = context.wrap_socket(raw, server_hostname="localhost")
    stream.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b" 200 " in stream.recv(65536)
    return stream


def one_run(postern, port, name):
    home = ["--home", "postern-dev/home"]
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([postern, *home, "cert", "issue", name, "--out", "."], **quiet)
    stream = connect(port, name)
    cut = []

    def wait_for_cut():
        try:
            while stream.recv(65536):
                pass
        except OSError:
            pass
        cut.append(time.monotonic())

    waiting = threading.Thread(target=wait_for_cut)
    waiting.start()
    started = time.monotonic()
    subprocess.run([postern, *home, "cert", "revoke", name], **quiet)
    returned = time.monotonic()
    waiting.join(10)
    return (cut[0] - started) * 1000, (cut[0] - returned) * 1000


def main():
    postern = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        port = free_port()
        ports = ["--port", str(port), "--upstream-port", str(free_port())]
        gateway = subprocess.Popen(
            [postern, "quickstart", *ports], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_for(port)
            runs = [one_run(postern, port, f"dev-{run}") for run in range(RUNS)]
        finally:
            gateway.terminate()
            gateway.wait()
    for what, figures in zip(("start", "return"), zip(*runs)):
        median = statistics.median(figures)
        print(f"{what} of `cert revoke` to the cut: median {median:.0f} ms, maximum {max(figures):.0f} ms, {RUNS} runs")


if __name__ == "__main__":
    main()
