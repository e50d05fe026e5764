import gzip
import http.server
import shutil
import socket
import threading
import time

import pytest
import tiny_cifar10

from mlptrain.data import downloads


@pytest.fixture
def tiny(monkeypatch):
    tiny_cifar10.activate(monkeypatch)
    return tiny_cifar10


@pytest.fixture
def said():
    """The lines that were told to the user."""
    return []


@pytest.fixture
def nowhere(tiny, tmp_path, monkeypatch):
    """A machine that has CIFAR-10 nowhere: no caches, no network, no npm. Returns its home."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setattr(downloads, "ARCHIVE_URL", f"http://127.0.0.1:{port}/archive")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("MLPTRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


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
        if self.answer == "packed without end":
            content = gzip.compress(bytes(50 << 20))
            handler.send_header("Content-Encoding", "gzip")
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
    archive = tiny.write_archive(nowhere / "served.tar.gz", tiny.binary_members())
    site = Site(archive.read_bytes())
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setattr(downloads, "ARCHIVE_URL", site.url)
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
