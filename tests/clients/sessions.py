"""Sessions of the Python SDK's client with a demo server, driven by a test.

Reads one JSON command per line and answers each with one line, a list with one entry per session:

  {"do": "open", "url": URL, "count": N}   more sessions, each with a client, an HTTP client and a connection of its own
  {"do": "call"}                           every session calls `whoami` and `counter`, all at the same time
  {"do": "reopen", "sessions": [...]}      these get a new client: a new `initialize`

An entry is {"session": N, "instance": POD, "counter": C} or {"session": N, "status": HTTP, "error": TEXT}. A session
ends its server's side with a DELETE when the input ends.

What is tried again, by the HTTP client: connections that could not be made, so that nothing was sent on them.
"""

import asyncio
import json
import logging
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

# With pauses that double from half a second: some 16 s in all.
CONNECT_ATTEMPTS = 6


class Session:
    """One client in a task of its own, since it must be left in the task that entered it."""

    def __init__(self, number, url):
        self.number = number
        self.url = url
        self.status = None
        self.wanted = asyncio.Queue()
        self.task = asyncio.create_task(self.run())

    async def run(self):
        transport = httpx2.AsyncHTTPTransport(retries=CONNECT_ATTEMPTS)
        answer = None
        try:
            async with (
                httpx2.AsyncClient(
                    transport=transport,
                    timeout=httpx2.Timeout(30, read=60),
                    event_hooks={"response": [self.note]},
                ) as http,
                Client(
                    streamable_http_client(self.url, http_client=http), mode="legacy"
                ) as client,
            ):
                while (answer := await self.wanted.get()) is not None:
                    try:
                        answer.set_result(await self.call(client))
                    except Exception as error:
                        answer.set_result(self.failed(error))
        except BaseException as error:
            # The client itself has ended, with or without a question.
            failure = self.failed(error)
            while True:
                if answer is not None and not answer.done():
                    answer.set_result(failure)
                answer = await self.wanted.get()
                if answer is None:
                    return

    async def call(self, client):
        who = await client.call_tool("whoami")
        counter = await client.call_tool("counter")
        return {
            "session": self.number,
            "instance": who.structured_content["instance"],
            "counter": int(counter.content[0].text),
        }

    async def note(self, response):
        # The stream that the server may speak on by itself is opened aside and may be refused.
        if response.request.method == "POST":
            self.status = response.status_code

    def failed(self, error):
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        text = f"{type(error).__name__}: {error}"
        return {"session": self.number, "status": self.status, "error": text}

    def ask(self):
        answer = asyncio.get_running_loop().create_future()
        self.wanted.put_nowait(answer)
        return answer

    async def end(self):
        self.wanted.put_nowait(None)
        await self.task


async def main():
    sessions = []
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        asked = sessions
        match command["do"]:
            case "open":
                begin = len(sessions)
                numbers = range(begin, begin + command["count"])
                sessions += [Session(number, command["url"]) for number in numbers]
                asked = sessions[begin:]
            case "reopen":
                for number in command["sessions"]:
                    await sessions[number].end()
                    sessions[number] = Session(number, sessions[number].url)
                asked = [sessions[number] for number in command["sessions"]]
            case "call":
                pass
            case unknown:
                sys.exit(f"unknown command {unknown}")
        answers = await asyncio.gather(*(session.ask() for session in asked))
        print(json.dumps(answers), flush=True)
    await asyncio.gather(*(session.end() for session in sessions))


# It takes 202 as the answer to a DELETE for a failure.
logging.getLogger("mcp.client.streamable_http").setLevel(logging.ERROR)
asyncio.run(main())
