from __future__ import annotations

import pytest

from backends.launch.diagnosis import explain_exit, port_was_taken


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (0, "exited with code 0"),
        (3, "exited with code 3"),
        (200, "exited with code 200"),
        (128 + 11, "was killed by SIGSEGV"),
        (-9, "lost its guard, killed by SIGKILL"),
    ],
)
def test_the_exit_status_is_named(code: int, says: str) -> None:
    assert explain_exit(code, []) == f"{says} (it printed nothing)"


@pytest.mark.parametrize(
    "line",
    [
        "ggml_backend_cuda_buffer_type_alloc_buffer: cudaMalloc failed: out of memory",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        "ggml_aligned_malloc: failed to allocate 900.00 MB",
        "ValueError: No available memory for the cache blocks.",
        "terminate called after throwing an instance of 'std::bad_alloc'",
    ],
)
def test_want_of_memory_is_recognised_in_the_output(line: str) -> None:
    first_line = explain_exit(1, ["loading", line, "bye"]).splitlines()[0]
    assert first_line.startswith("exited with code 1: out of memory; take a smaller")


def test_a_kill_from_outside_is_most_likely_want_of_memory() -> None:
    assert "the system did because it was out of memory" in explain_exit(137, ["serving"])


def test_a_missing_package_is_named_with_its_remedy() -> None:
    text = explain_exit(1, ["python: No module named llama_cpp"])
    assert "install that package in the interpreter" in text


def test_only_the_last_lines_are_shown() -> None:
    shown = explain_exit(1, [f"line {n}" for n in range(100)]).splitlines()
    assert shown[0] == "exited with code 1"
    assert shown[2:] == [f"  line {n}" for n in range(80, 100)]


@pytest.mark.parametrize(
    "line",
    [
        "E srv start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 4000",
        "[Errno 98] error while attempting to bind on address: address already in use",
        "Error: listen tcp 127.0.0.1:4000: bind: address already in use",
    ],
)
def test_a_taken_port_is_recognised(line: str) -> None:
    assert port_was_taken(["starting", line])
    assert not port_was_taken(["starting", "out of memory"])
