"""Where verification codes arrive: the outbox, an SMTP server, an SMS gateway."""

import asyncio
import base64
import email
import email.policy
import re
from dataclasses import dataclass
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs

from aiosmtpd.controller import Controller

from harness.events import Events
from harness.process import free_port


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    return part.get_content() if part else message.get_content()


def mail_codes(message: EmailMessage) -> list[str]:
    """What in a mail could be its verification code: any long word without a separator."""
    return list(dict.fromkeys(re.findall(r"[A-Za-z0-9_-]{16,}", text_of(message))))


def phone_code(text: str) -> str:
    return re.search(r"(?<!\d)\d{6}(?!\d)", text).group()


async def outbox(data: Path, suffix: str, to: str) -> str:
    """The newest file of the outbox that is addressed to `to`."""
    for _ in range(200):
        # With a dot before its name a file is still being written, and is renamed at any moment.
        written = (data / "outbox").glob(f"[!.]*.{suffix}")
        for path in sorted(written, key=lambda path: path.stat().st_mtime_ns, reverse=True):
            content = path.read_text()
            if to in content:
                return content
        await asyncio.sleep(0.05)
    raise AssertionError(f"nothing for {to} in the outbox: {list(data.rglob('outbox/*'))}")


def parse_mail(content: str | bytes) -> EmailMessage:
    parse = email.message_from_bytes if isinstance(content, bytes) else email.message_from_string
    return parse(content, policy=email.policy.default)


class SmtpServer:
    """A real SMTP server; `mails` are the messages delivered."""

    def __init__(self) -> None:
        self.inbox = Events("the SMTP server")
        self._loop = asyncio.get_running_loop()
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())
        self._controller.start()
        self.url = f"smtp://127.0.0.1:{self._controller.port}"

    async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:  # noqa: N802
        message = parse_mail(envelope.content)
        self._loop.call_soon_threadsafe(self.inbox.heard, (envelope.rcpt_tos, message))
        return "250 Message accepted for delivery"

    async def mail_to(self, address: str) -> EmailMessage:
        return (await self.inbox.expect(lambda mail: address in mail[0], what=f"a mail to {address}"))[1]

    def stop(self) -> None:
        self._controller.stop()


@dataclass
class Sms:
    path: str
    authorization: str
    form: dict[str, str]


class SmsGateway:
    """An HTTP gateway that takes Twilio's form."""

    USER, PASSWORD, FROM = "AC123", "secret-of-the-gateway", "+15550001111"

    def __init__(self) -> None:
        self.inbox = Events("the SMS gateway")
        loop = asyncio.get_running_loop()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # noqa: N802
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {key: values[0] for key, values in parse_qs(body).items()}
                credentials = self.headers.get("Authorization", "").removeprefix("Basic ")
                sms = Sms(self.path, base64.b64decode(credentials).decode(), form)
                loop.call_soon_threadsafe(gateway.inbox.heard, sms)
                self.send_response(201)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """The test's output is not the gateway's log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        Thread(target=self._server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{self._server.server_port}"
        sender = self.FROM.replace("+", "%2B")
        self.url = f"http://{self.USER}:{self.PASSWORD}@{host}/2010-04-01/Accounts/AC123/Messages.json?from={sender}"

    async def sms_to(self, number: str) -> Sms:
        return await self.inbox.expect(lambda sms: sms.form["To"] == number, what=f"a text to {number}")

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
