#!/usr/bin/env python3
"""What does the official Python client send? Writes its requests to `requests/`, for `tests/bench/run` to send them again.

Usage: record.py PORT, of a server with the tool `add` that answers at 127.0.0.1:PORT/mcp, run by a Python that has `mcp`.
"""

import asyncio
import pathlib
import re
import sys

from mcp import Client

HERE = pathlib.Path(__file__).parent / "requests"


def messages(sent):
    """The requests in what a connection has carried: head and body of each."""
    while sent:
        head, _, rest = sent.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        yield head.decode(), rest[:length].decode()
        sent = rest[length:]


async def copy(reader, writer, kept=None):
    while data := await reader.read(65536):
        if kept is not None:
            kept.extend(data)
        writer.write(data)
        await writer.drain()
    writer.close()


async def record(port, mode):
    """What the client sends in one conversation that calls `add`."""
    connections, copies = [], []

    async def between(reader, writer):
        sent = bytearray()
        connections.append(sent)
        there, back = await asyncio.open_connection("127.0.0.1", port)
        copies.extend([asyncio.create_task(copy(reader, back, sent)), asyncio.create_task(copy(there, writer))])

    server = await asyncio.start_server(between, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    async with Client(url, mode=mode) as client:
        await client.list_tools()
        answer = await client.call_tool("add", {"a": 2, "b": 3})
        assert answer.structured_content == {"result": 5}, answer
    server.close()
    await asyncio.gather(*copies)
    return [message for sent in connections for message in messages(bytes(sent))]


def write(name, found, method):
    head, body = next((head, body) for head, body in found if f'"method":"{method}"' in body.replace(" ", ""))
    # The port is another one at each run.
    head = re.sub(r"(?im)^(host: 127\.0\.0\.1):\d+", r"\1:8000", head)
    (HERE / name).write_text(head.replace("\r\n", "\n") + "\n\n" + body + "\n")


async def main(port):
    HERE.mkdir(exist_ok=True)
    legacy = await record(port, "legacy")
    write("initialize.http", legacy, "initialize")
    write("legacy.http", legacy, "tools/call")
    write("modern.http", await record(port, "auto"), "tools/call")


asyncio.run(main(int(sys.argv[1])))
