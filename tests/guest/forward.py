"""Runs in the guest: what connects to a port of its loopback gets through to the same port of the host's."""

import asyncio
import sys

HOST = "10.0.2.2"


async def pump(reader, writer):
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def main(port):
    async def connected(reader, writer):
        there_reader, there_writer = await asyncio.open_connection(HOST, port)
        await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))

    async with await asyncio.start_server(connected, "127.0.0.1", port) as server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1])))
