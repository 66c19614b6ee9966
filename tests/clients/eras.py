"""The Python SDK's server in one era alone, and its client in either, driven by a test.

  eras.py server ERA [PORT] a server on a port of this machine, by default a free one, which it prints; requests of the other
                            era are refused as servers of one era refuse them
  eras.py stdio             the same server in both eras over stdio
  eras.py client ERA URL    lists and calls what that server has, and prints what came of it as JSON

ERA is `sessions` (up to 2025-11-25), `stateless` (2026-07-28) or `older` (sessions over HTTP+SSE).
"""

import asyncio
import json
import socket
import sys
from typing import Annotated

import uvicorn
from mcp import Client
from mcp.client.sse import sse_client
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Elicit, Resolve, Sample
from mcp_types import (
    CreateMessageResult,
    ElicitResult,
    SamplingMessage,
    TextContent,
)
from pydantic import BaseModel

STATELESS = "2026-07-28"
SESSIONS = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]


class Name(BaseModel):
    name: str


def ask_name() -> Elicit[Name]:
    return Elicit("What is your name?", Name)


def ask_model() -> Sample:
    question = TextContent(type="text", text="What is the capital of France?")
    return Sample([SamplingMessage(role="user", content=question)], max_tokens=50)


def make_server():
    server = MCPServer("eras", version="1.2.3", instructions="Speak either way.")

    @server.tool()
    def echo(text: str) -> str:
        """Says it again."""
        return text

    @server.tool()
    async def steps(count: int, ctx: Context) -> str:
        """Tells how far it is."""
        for step in range(count):
            await ctx.report_progress(step + 1, count, f"step {step + 1}")
        return "done"

    @server.tool()
    def greet(who: Annotated[Name, Resolve(ask_name)]) -> str:
        """Asks whom it greets."""
        return f"Hello, {who.name}!"

    @server.tool()
    def sample(answer: Annotated[CreateMessageResult, Resolve(ask_model)]) -> str:
        """Asks the client's model."""
        return f"It says {answer.content.text}"

    waits = 0

    @server.tool()
    async def wait() -> str:
        """Never ends by itself."""
        nonlocal waits
        waits += 1
        try:
            await asyncio.sleep(3600)
        finally:
            waits -= 1

    @server.tool()
    def waiting() -> str:
        """How many calls of `wait` there are."""
        return str(waits)

    @server.tool()
    def fail() -> str:
        """Fails."""
        raise ValueError("as it should")

    @server.resource("test://note")
    def note() -> str:
        """A note."""
        return "a note"

    @server.prompt()
    def hello(name: str) -> str:
        """A greeting."""
        return f"Say hello to {name}"

    return server


def refusal(era, version, body):
    """What a server of one era says to a request of the other."""
    try:
        message = json.loads(body)
    except ValueError:
        return None
    stateless = version == STATELESS and message.get("method") != "initialize"
    if stateless == (era == "stateless"):
        return None
    supported = [STATELESS] if era == "stateless" else SESSIONS
    data = {"supported": supported, "requested": version or ""}
    error = {"code": -32022, "message": "Unsupported protocol version", "data": data}
    return json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "error": error})


def of_one_era(app, era):
    async def filtered(scope, receive, send):
        if scope["type"] != "http" or scope["method"] != "POST":
            return await app(scope, receive, send)
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        text = refusal(era, headers.get("mcp-protocol-version"), body)
        if text is not None:
            kind = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 400, "headers": kind})
            return await send({"type": "http.response.body", "body": text.encode()})
        sent = False

        async def again():
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        return await app(scope, again, send)

    return filtered


async def serve(era, port):
    listener = socket.create_server(("127.0.0.1", port))
    if era == "older":
        app = make_server().sse_app()
    else:
        app = of_one_era(make_server().streamable_http_app(), era)
    config = uvicorn.Config(app, log_level="warning", lifespan="on")
    print(listener.getsockname()[1], flush=True)
    await uvicorn.Server(config).serve(sockets=[listener])


def texts(result):
    return [part.text for part in result.content]


async def client(era, url):
    steps = []

    async def elicited(context, params):
        return ElicitResult(action="accept", content={"name": "Ada"})

    async def sampled(context, params):
        answer = TextContent(type="text", text="Paris")
        return CreateMessageResult(role="assistant", content=answer, model="test")

    async def progressed(progress, total, message):
        steps.append([progress, total, message])

    seen = {}
    mode = STATELESS if era == "stateless" else "legacy"
    server = sse_client(url) if era == "older" else url
    async with Client(
        server, mode=mode, elicitation_callback=elicited, sampling_callback=sampled
    ) as mcp:
        tools = (await mcp.list_tools()).tools
        seen["tools"] = [tool.name for tool in tools]
        seen["schema"] = tools[0].input_schema
        seen["echo"] = texts(await mcp.call_tool("echo", {"text": "caf\u00e9 \u2713"}))
        counted = await mcp.call_tool("steps", {"count": 3}, progress_callback=progressed)
        seen["steps"] = [texts(counted), steps]
        seen["greet"] = texts(await mcp.call_tool("greet", {}))
        seen["sample"] = texts(await mcp.call_tool("sample", {}))
        failed = await mcp.call_tool("fail", {})
        seen["fail"] = [failed.is_error, texts(failed)]
        read = await mcp.read_resource("test://note")
        seen["resource"] = [part.text for part in read.contents]
        prompt = await mcp.get_prompt("hello", {"name": "Ada"})
        seen["prompt"] = [message.content.text for message in prompt.messages]
        try:
            await mcp.read_resource("test://nothing")
        except Exception as error:
            seen["nothing"] = type(error).__name__
    print(json.dumps(seen, sort_keys=True))


if __name__ == "__main__":
    if sys.argv[1] == "server":
        asyncio.run(serve(sys.argv[2], int((sys.argv[3:] or ["0"])[0])))
    elif sys.argv[1] == "stdio":
        make_server().run("stdio")
    else:
        asyncio.run(client(sys.argv[2], sys.argv[3]))
