"""The Python SDK's client at an address with many servers behind it: all that it can do there, printed as JSON.

  all_as_one.py ERA URL FOLDER

ERA is `sessions` (up to 2025-11-25) or `stateless` (2026-07-28); FOLDER is one that the server `filesystem` has. It runs with
version 1 of the SDK, which knows sessions alone, and with version 2.
"""

import asyncio
import contextlib
import json
import sys

STATELESS = "2026-07-28"
RESOURCE = "demo://resource/static/document/architecture.md"


def texts(result):
    return [part.text for part in result.content]


def failed(result):
    return getattr(result, "is_error", getattr(result, "isError", None))


async def elicited(context, params):
    from mcp import types

    return types.ElicitResult(action="accept", content={"name": "Ada"})


async def sampled(context, params):
    from mcp import types

    answer = types.TextContent(type="text", text="Paris")
    return types.CreateMessageResult(role="assistant", content=answer, model="test")


async def seen_by(mcp, folder, cancels):
    """What a client sees that has begun."""
    seen, steps = {}, []

    async def progressed(progress, total, message):
        steps.append(progress)

    names = {tool.name for tool in (await mcp.list_tools()).tools}
    wanted = ["demo_echo", "everything_echo", "filesystem_list_directory", "eras_greet", "time_get_current_time"]
    seen["lacks"] = [name for name in wanted if name not in names]
    seen["demo"] = texts(await mcp.call_tool("demo_echo", {"message": "café ✓"}))
    seen["everything"] = texts(await mcp.call_tool("everything_echo", {"message": "hi"}))
    seen["time"] = failed(await mcp.call_tool("time_get_current_time", {"timezone": "UTC"}))
    listed = await mcp.call_tool("filesystem_list_directory", {"path": folder})
    seen["filesystem"] = texts(listed)
    refused = await mcp.call_tool("filesystem_list_directory", {"path": "/"})
    seen["error"] = [failed(await mcp.call_tool("demo_fail", {})), failed(refused)]
    await mcp.call_tool("demo_slow", {"seconds": 0.1}, progress_callback=progressed)
    seen["progress"] = len(steps) > 0
    seen["greet"] = texts(await mcp.call_tool("eras_greet", {}))
    seen["sample"] = texts(await mcp.call_tool("eras_sample", {}))
    prompt = await mcp.get_prompt("eras_hello", {"name": "Ada"})
    seen["prompt"] = [message.content.text for message in prompt.messages]
    resources = {resource.name: resource.uri for resource in (await mcp.list_resources()).resources}
    read = await mcp.read_resource(resources["note"])
    seen["resource"] = [part.text for part in read.contents]
    if cancels:
        waiting = asyncio.create_task(mcp.call_tool("eras_wait", {}))
        while texts(await mcp.call_tool("eras_waiting", {})) != ["1"]:
            pass
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        while texts(await mcp.call_tool("eras_waiting", {})) != ["0"]:
            pass
        seen["cancel"] = True
    return seen


async def first(url, folder, era):
    """With version 1."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async with (
        streamablehttp_client(url) as (read, write, _),
        ClientSession(read, write, sampling_callback=sampled, elicitation_callback=elicited) as mcp,
    ):
        await mcp.initialize()
        return await seen_by(mcp, folder, False)


async def second(url, folder, era):
    """With version 2."""
    from mcp import Client

    mode = STATELESS if era == "stateless" else "legacy"
    async with Client(url, mode=mode, elicitation_callback=elicited, sampling_callback=sampled) as mcp:
        return await seen_by(mcp, folder, True)


async def main():
    era, url, folder = sys.argv[1:]
    try:
        from mcp import Client as _  # noqa: F401
    except ImportError:
        run = first
    else:
        run = second
    # The second time it comes back.
    for _ in range(2):
        seen = await run(url, folder, era)
    print(json.dumps(seen, sort_keys=True, ensure_ascii=False))


asyncio.run(main())
