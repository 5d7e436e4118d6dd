"""Sends each line of standard input as a message and prints what comes back, until either ends."""

import asyncio
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

host, port, root, certificate, key = sys.argv[1:]


async def main():
    tls = ssl.create_default_context(cafile=root)
    tls.load_cert_chain(certificate, key)
    url = f"wss://{host}:{port}/socket"
    # Without pings of its own: what keeps a WebSocket open is the test's.
    async with connect(url, ssl=tls, host="127.0.0.1", port=int(port), ping_interval=None) as socket:
        print("open", flush=True)
        lines = asyncio.create_task(say(socket))
        try:
            async for message in socket:
                print(message, flush=True)
        except ConnectionClosed:
            pass
        lines.cancel()
    print("closed", socket.close_code, flush=True)


async def say(socket):
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        await socket.send(line.strip())
    await socket.close()


asyncio.run(main())
