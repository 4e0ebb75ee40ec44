"""Runs in the guest: takes commands from the host over a virtio serial port, and answers with status and output.

One JSON object a line. Request: {"id", "command" (for bash), "timeout" (seconds)}. Answer: {"id", "status" (null: it
took too long and was killed), "output" (standard output and error together)}. Commands run side by side.
"""

import json
import os
import signal
import subprocess
import sys
import threading

PORT = "/dev/virtio-ports/agent"


def perform(request):
    """The answer to one request."""
    process = subprocess.Popen(
        ["/bin/bash", "-c", request["command"]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=request["timeout"])
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output = _what_came(process)
        status = None
    return {"id": request["id"], "status": status, "output": output.decode("utf-8", "replace")}


def _what_came(process):
    """Its output; a process that hangs in the kernel, or left a child behind that holds the pipe, is not waited for."""
    try:
        output, _ = process.communicate(timeout=5)
    except subprocess.TimeoutExpired as late:
        return late.output or b""
    return output


def main():
    port = os.open(_device(), os.O_RDWR)
    writing = threading.Lock()

    def serve(request):
        line = json.dumps(perform(request)).encode() + b"\n"
        with writing:
            while line:
                line = line[os.write(port, line) :]

    os.write(port, b'{"id": 0, "status": 0, "output": "ready"}\n')
    with open(port, "rb", closefd=False) as requests:
        for line in requests:
            threading.Thread(target=serve, args=(json.loads(line),), daemon=True).start()


def _device():
    """The port by its name; without udev the kernel's own names are all there are."""
    for name in os.listdir("/sys/class/virtio-ports"):
        with open(f"/sys/class/virtio-ports/{name}/name") as file:
            if file.read().strip() == "agent":
                return f"/dev/{name}"
    sys.exit("no port named agent")


if __name__ == "__main__":
    main()
