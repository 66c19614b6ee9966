"""A server of TLS before another one of TLS: what comes in by one certificate goes out as a user with another one.

Arguments: certificate and key to be shown, host and port behind, certificate and key of the user. Prints its own port.
"""

import asyncio
import ssl
import sys


async def pass_on(reader, writer):
    try:
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def main():
    shown, shown_key, host, port, user, user_key = sys.argv[1:]
    front = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    front.load_cert_chain(shown, shown_key)
    behind = ssl.create_default_context()
    behind.check_hostname = False
    behind.verify_mode = ssl.CERT_NONE
    behind.load_cert_chain(user, user_key)

    async def connection(reader, writer):
        try:
            far = await asyncio.open_connection(host, int(port), ssl=behind)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pass_on(reader, far[1]), pass_on(far[0], writer))

    server = await asyncio.start_server(connection, "127.0.0.1", 0, ssl=front)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
