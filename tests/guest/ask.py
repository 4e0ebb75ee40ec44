"""Runs in the guest: one command for the control socket of a daemon there, with no more of Python than that needs."""

import socket
import sys

path, command, arguments = sys.argv[1:]
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(path)
    connection.sendall(f'{{"version": 1, "command": "{command}", "arguments": {arguments}}}\n'.encode())
    with connection.makefile() as answer:
        print(answer.readline())
