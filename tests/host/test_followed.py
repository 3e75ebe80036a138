"""Files that are followed: what cannot be read for a moment is read later."""

import os
import time
from pathlib import Path

import pytest
from meterseal.collector.followed import FollowedFile
from meterseal.collector.tokens import LiveTokens, add_token


@pytest.fixture
def blocked(monkeypatch):
    """A switch: files cannot be read while it is on, as without free descriptors."""
    state, read = {"on": False}, Path.read_bytes

    def read_bytes(path):
        if state["on"]:
            raise OSError(24, "Too many open files")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    return state


def test_a_file_that_could_not_be_read_is_read_later(tmp_path, blocked):
    path = tmp_path / "file"
    path.write_bytes(b"a")
    file = FollowedFile(path)
    assert file.news() == b"a" and file.news() is None
    path.write_bytes(b"other")
    blocked["on"] = True
    with pytest.raises(OSError):
        file.news()
    assert file.news() is None  # said once
    blocked["on"] = False
    assert file.news() == b"other" and file.news() is None


def test_tokens_count_again_once_their_file_can_be_read(tmp_path, blocked):
    token, secret = add_token(tmp_path, "a", "viewer")
    live = LiveTokens(tmp_path)
    os.utime(tmp_path / "tokens.json", (1, 1))  # the content stays
    blocked["on"] = True
    assert live.holder(secret) is None and not live.open
    blocked["on"] = False
    assert live.holder(secret) == token


def test_content_that_keeps_size_and_time_is_news(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"a")
    os.utime(path, (1, 1))
    file = FollowedFile(path)
    assert file.news() == b"a"
    time.sleep(0.05)  # longer than a tick of the file system's clock
    path.write_bytes(b"b")
    os.utime(path, (1, 1))
    assert file.news() == b"b"
