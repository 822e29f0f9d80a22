"""What is written is whole or absent, whatever ends the writing."""

import errno
import os
import time

import pytest

from zoo import paths
from zoo.errors import ZooError


def everything_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_new_folder_appears_when_its_block_ends(tmp_path):
    target = tmp_path / "a" / "b"
    with paths.new_folder(target) as partial:
        (partial / "x").write_text("1")
        assert not target.exists()
    assert everything_in(tmp_path) == ["a", "a/b", "a/b/x"]
    assert target.stat().st_mode & 0o777 == 0o755


def test_an_error_leaves_no_folder_and_no_parents(tmp_path):
    (tmp_path / "a").mkdir()
    with (
        pytest.raises(KeyboardInterrupt),
        paths.new_folder(tmp_path / "a" / "b" / "c") as partial,
    ):
        (partial / "x").write_text("1")
        raise KeyboardInterrupt
    assert everything_in(tmp_path) == ["a"]


def test_an_error_leaves_what_another_process_put_beside_it(tmp_path):
    with pytest.raises(KeyboardInterrupt), paths.new_folder(tmp_path / "a" / "b"):
        (tmp_path / "a" / "theirs").mkdir()
        raise KeyboardInterrupt
    assert everything_in(tmp_path) == ["a", "a/theirs"]


def test_an_empty_folder_is_new_enough(tmp_path):
    with paths.new_folder(tmp_path) as partial:
        (partial / "x").write_text("1")
    assert everything_in(tmp_path) == ["x"]


def test_the_folder_that_another_process_made_first_stands(tmp_path):
    target = tmp_path / "a"
    with paths.new_folder(target) as partial:
        (partial / "x").write_text("ours")
        target.mkdir()
        (target / "x").write_text("theirs")
    assert (target / "x").read_text() == "theirs"
    assert everything_in(tmp_path) == ["a", "a/x"]


def test_a_file_that_another_process_made_first_is_no_folder(tmp_path):
    target = tmp_path / "a"
    with pytest.raises(ZooError, match="Cannot write to"), paths.new_folder(target):
        target.write_text("theirs")
    assert target.read_text() == "theirs"
    assert everything_in(tmp_path) == ["a"]


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "x").write_text("1")
    with pytest.raises(ZooError, match="is not empty"), paths.new_folder(tmp_path):
        pytest.fail("the block was entered")
    assert everything_in(tmp_path) == ["x"]


@pytest.mark.parametrize("below", [".", "b", "b/c"])
def test_a_file_is_no_folder_to_write_to(tmp_path, below):
    file = tmp_path / "x"
    file.write_text("1")
    with pytest.raises(ZooError, match="Expected a folder|is a file"):
        with paths.new_folder(file / below):
            pytest.fail("the block was entered")
    assert file.read_text() == "1"
    assert everything_in(tmp_path) == ["x"]


@pytest.mark.parametrize("name", ["a" * 300, "a/" + "b" * 300])
def test_a_name_too_long_is_refused(tmp_path, name):
    with pytest.raises(ZooError, match="name too long"), paths.new_folder(tmp_path / name):
        pytest.fail("the block was entered")
    with pytest.raises(ZooError, match="name too long"), paths.new_file(tmp_path / name) as partial:
        partial.write_text("1")
    assert everything_in(tmp_path) == []


def test_a_full_disk_is_told_in_a_line(tmp_path):
    with pytest.raises(ZooError, match="Cannot write to .*/a: No space left"):
        with paths.new_folder(tmp_path / "a"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(ZooError, match="Cannot write .*/a: No space left"):
        with paths.new_file(tmp_path / "a"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert everything_in(tmp_path) == []


def test_a_defect_while_a_folder_is_written_keeps_its_traceback(tmp_path):
    with pytest.raises(FileNotFoundError), paths.new_folder(tmp_path / "a"):
        (tmp_path / "none").read_text()


def test_what_a_kill_left_a_day_ago_is_removed_by_a_later_call(tmp_path):
    old, new = tmp_path / ".partial-x-old", tmp_path / ".partial-x-new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "half").write_text("1")
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    with paths.new_folder(tmp_path / "y"):
        pass
    assert everything_in(tmp_path) == [".partial-x-new", ".partial-x-new/half", "y"]


def test_a_new_file_replaces_the_old_when_its_block_ends(tmp_path):
    target = tmp_path / "a" / "x.txt"
    for text in ("old", "new"):
        with paths.new_file(target) as partial:
            partial.write_text(text)
    assert target.read_text() == "new"
    assert everything_in(tmp_path) == ["a", "a/x.txt"]


def test_an_error_leaves_the_old_file(tmp_path):
    target = tmp_path / "x.txt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), paths.new_file(target) as partial:
        partial.write_text("new")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert everything_in(tmp_path) == ["x.txt"]


def test_an_error_leaves_no_parents_of_a_file(tmp_path):
    with pytest.raises(KeyboardInterrupt), paths.new_file(tmp_path / "a" / "b" / "x"):
        raise KeyboardInterrupt
    assert everything_in(tmp_path) == []


def test_a_file_being_written_has_the_ending_of_its_target(tmp_path):
    with paths.new_file(tmp_path / "x.weights.h5") as partial:
        assert partial.name.endswith(".weights.h5")
        partial.write_text("1")


def test_a_folder_is_no_file_to_write_to(tmp_path):
    with pytest.raises(ZooError, match="Expected a file"), paths.new_file(tmp_path):
        pytest.fail("the block was entered")


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ZOO_CACHE", "~/here")
    assert paths.cache() == tmp_path / "here"


def test_the_cache_is_where_the_platform_has_caches(monkeypatch, tmp_path):
    monkeypatch.delenv("ZOO_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert paths.cache() == tmp_path / "attention-zoo"


def test_a_home_folder_of_nobody_stays_as_it_is():
    assert str(paths.expanded("~nobody-has-this-name/x")) == "~nobody-has-this-name/x"
