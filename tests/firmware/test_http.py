"""HTTP over real sockets on loopback: every answer that is none, and how much of it is read.

Without TLS, which the end-to-end tests bring: what is tested here lies behind it.
"""

import asyncio
import unittest

from agent.errors import UploadError
from agent.resolver import Resolver
from agent.uplink.http import Connection

OK = b"HTTP/1.1 200 OK\r\n"
MOST = 100
NOW_MS = 1234


def answer(body, extra=b""):
    return OK + extra + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(*chunks):
    body = b"".join([b"%x\r\n%s\r\n" % (len(c), c) for c in chunks])
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + body


class Server:
    """Answers the n-th request with the n-th of `answers`; after the last it ends the connection.

    `drip_s`: seconds between the bytes of an answer, so that it never stops coming.
    """

    def __init__(self, answers, drip_s=0):
        self.answers = list(answers)
        self.drip_s = drip_s
        self.requests = []
        self.connections = 0

    async def talk(self, reader, writer):
        self.connections += 1
        try:
            while await self.request(reader):
                if not self.answers:
                    break
                await self.send(writer, self.answers.pop(0))
                if not self.answers:
                    break
        except OSError:
            pass  # the station gave up first
        writer.close()
        await writer.wait_closed()

    async def request(self, reader):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            data = await reader.read(1)
            if not data:
                return False
            head += data
        length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length) if length else b""
        self.requests.append((head, body))
        return True

    async def send(self, writer, data):
        step = 1 if self.drip_s else max(1, len(data))
        for at in range(0, len(data), step):
            writer.write(data[at : at + step])
            await writer.drain()
            await asyncio.sleep(self.drip_s)


class Names:
    """Look-ups that were made."""

    def __init__(self, address="127.0.0.1"):
        self.asked = []
        self.idle = 0
        self.address = address

    async def bus_idle(self):
        self.idle += 1

    def look_up(self, host, port):
        self.asked.append(host)
        return self.address


class HttpTest(unittest.TestCase):
    def run_with(self, server, use, timeout_ms=2000):
        """Result of `use(connection)` against a server."""
        self.names = Names()
        resolver = Resolver(self.names.bus_idle, self.names.look_up)

        async def connect(address, port, host):
            return await asyncio.open_connection(address, port)

        async def run():
            # MicroPython has no way to ask which port it was given.
            for port in range(47311, 47411):
                try:
                    listening = await asyncio.start_server(server.talk, "127.0.0.1", port)
                    break
                except OSError:
                    continue
            url = "https://collector.example:%d/base" % port
            connection = Connection(url, connect, timeout_ms, resolver, lambda: NOW_MS)
            try:
                return await use(connection)
            finally:
                await connection.close()
                listening.close()
                await listening.wait_closed()

        return asyncio.run(run())

    def get(self, *answers, **settings):
        """Body that one GET gets."""
        self.server = Server(answers, settings.get("drip_s", 0))

        async def use(connection):
            await connection.open()
            try:
                return await connection.request("GET", "/v1/head", 0, (), MOST)
            finally:
                self.kept = connection.is_open

        return self.run_with(self.server, use, settings.get("timeout_ms", 2000))

    def refused(self, code, *answers, **settings):
        with self.assertRaises(UploadError) as caught:
            self.get(*answers, **settings)
        self.assertEqual(caught.exception.code, code)
        self.assertFalse(self.kept)

    def test_a_body_of_known_length_and_one_in_chunks(self):
        self.assertEqual(self.get(answer(b"{}"), b""), b"{}")
        self.assertTrue(self.kept)
        self.assertEqual(self.get(chunked(b"abc", b"de", b""), b""), b"abcde")
        self.assertTrue(self.kept)
        self.assertEqual(self.get(answer(b"x" * MOST), b""), b"x" * MOST)

    def test_the_request_is_as_the_format_says(self):
        async def use(connection):
            await connection.open()
            return await connection.request(
                "POST", "/v1/batches", 7, iter((b"ab", b"cdefg")), MOST
            )

        server = Server([answer(b"{}")])
        self.run_with(server, use)
        head, body = server.requests[0]
        self.assertEqual(head.split(b"\r\n")[0], b"POST /base/v1/batches HTTP/1.1")
        self.assertIn(b"\r\nHost: collector.example\r\n", head)
        self.assertIn(b"\r\nContent-Type: application/cbor-seq\r\n", head)
        self.assertEqual(body, b"abcdefg")

    def test_one_connection_serves_many_requests(self):
        async def use(connection):
            await connection.open()
            bodies = []
            for _ in range(5):
                bodies.append(await connection.request("GET", "/", 0, (), MOST))
            return bodies

        server = Server([answer(b"%d" % n) for n in range(5)])
        self.assertEqual(self.run_with(server, use), [b"0", b"1", b"2", b"3", b"4"])
        self.assertEqual((server.connections, len(self.names.asked)), (1, 1))

    def test_a_connection_is_not_used_again_when_the_server_says_so_or_says_too_much(self):
        self.assertEqual(self.get(answer(b"{}", b"Connection: Close\r\n"), b""), b"{}")
        self.assertFalse(self.kept)
        self.assertEqual(self.get(answer(b"{}") + b"HTTP/1.1 200 OK\r\n", b""), b"{}")
        self.assertFalse(self.kept)

    def test_other_statuses(self):
        for status in (b"500 No", b"204 No Content", b"302 Found", b"100 Continue", b"404"):
            with self.subTest(status=status):
                self.refused("http-status", b"HTTP/1.1 " + status + b"\r\n\r\n")

    def test_what_is_no_answer(self):
        for data in (
            b"what?\r\n\r\n",
            b"HTTP/2 200\r\n\r\n",
            b"HTTP/1.1 OK 200\r\n\r\n",
            b"HTTP/1.1 \xff\xfe\r\n\r\n",
            OK + b"\r\n",
            OK + b"Content-Length: -1\r\n\r\n",
            OK + b"Content-Length: %d\r\n\r\n" % (MOST + 1),
            OK + b"Content-Length: 99999999999999999999\r\n\r\n",
            OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
            OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            OK + b"Transfer-Encoding: gzip\r\n\r\n{}",
            OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
            OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
            OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}and more\r\n",
            chunked(b"x" * MOST, b"y", b""),
        ):
            with self.subTest(data=data):
                self.refused("http-malformed", data)

    def test_headers_without_end_do_not_fill_the_memory(self):
        self.refused("http-malformed", b"HTTP/1.1 200 " + b"x" * 20000)
        self.refused("http-malformed", OK + b"X: y\r\n" * 2000)

    def test_an_end_in_the_middle(self):
        for data in (b"", b"HTTP/1.1 20", OK, OK + b"Content-Length: 9\r\n\r\n{", chunked(b"a")):
            with self.subTest(data=data):
                self.refused("http-cut", data)

    def test_silence_and_a_drip_end_by_the_timeout(self):
        self.refused("http-timeout", answer(b"{}"), drip_s=0.05, timeout_ms=300)

    def test_nobody_listens(self):
        async def use(connection):
            connection._port = 9  # nobody serves `discard` any more
            for _ in range(2):
                with self.assertRaises(UploadError) as caught:
                    await connection.open()
                    await connection.request("GET", "/", 0, (), MOST)
                self.assertEqual(caught.exception.code, "connect-failed")

        self.run_with(Server([]), use)
        self.assertEqual(len(self.names.asked), 2, "an address that failed is looked up again")
        self.assertEqual(self.names.idle, 2)

    def test_the_moment_of_sending_is_noted(self):
        async def use(connection):
            await connection.open()
            await connection.request("GET", "/", 0, (), MOST)
            return connection.sent_ms

        self.assertEqual(self.run_with(Server([answer(b"{}")]), use), NOW_MS)


class ResolverTest(unittest.TestCase):
    def test_an_address_needs_no_look_up_and_a_name_one(self):
        names = Names("192.0.2.7")
        resolver = Resolver(names.bus_idle, names.look_up)

        async def use():
            first = await resolver.address("10.1.2.3", 443)
            second = await resolver.address("a.example", 443)
            return [first, second, await resolver.address("a.example", 443)]

        self.assertEqual(asyncio.run(use()), ["10.1.2.3", "192.0.2.7", "192.0.2.7"])
        self.assertEqual((names.asked, names.idle), (["a.example"], 1))

    def test_the_real_look_up(self):
        names = Names()
        found = asyncio.run(Resolver(names.bus_idle).address("localhost", 443))
        self.assertIn(found, ("127.0.0.1", "::1"))


if __name__ == "__main__":
    unittest.main()
