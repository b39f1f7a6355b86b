"""What has to fit together inside one runner."""

from collections.abc import Iterator
from typing import TypeAlias

from gateway.settings.fault import Fault
from gateway.settings.locating import fault_at
from gateway.settings.node import KeyPath, Node
from gateway.settings.shape import Shape

Finding: TypeAlias = tuple[KeyPath, str, str]  # path inside the runner, problem, remedy

_LAUNCHABLE = ("llamacpp", "llama-cpp-python", "vllm", "ollama")


def runner_faults(document: Node, shape: Shape) -> Iterator[Fault]:
    by_url: dict[str, str] = {}
    for name, runner in document.at("runners").mapping.items():
        if isinstance(runner.value, dict):
            yield from _shared_address(document, shape, name, by_url)
            for path, problem, remedy in (*_address(runner), *_launch(runner), *_tls(runner)):
                yield fault_at(document, shape, ("runners", name, *path), problem, remedy)


def _shared_address(
    document: Node, shape: Shape, name: str, by_url: dict[str, str]
) -> Iterator[Fault]:
    """Slots belong to the process: under two names it would get twice as many requests."""
    url = document.at("runners", name, "url").text
    if url is None:
        return
    other = by_url.setdefault(url.rstrip("/").lower(), name)
    if other != name:
        yield fault_at(
            document,
            shape,
            ("runners", name, "url"),
            f"runner '{other}' has the same address, and slots belong to a process",
            f"keep one of the two, and use '{other}' in all models",
        )


def _address(runner: Node) -> Iterator[Finding]:
    url, launch = runner.at("url").value, runner.at("launch").value
    if url is None and launch is None:
        yield (
            (),
            "neither url nor launch",
            "add url: http://HOST:PORT if it runs already, or launch: {…} if the gateway "
            "is to start it",
        )
    elif url is not None and launch is not None:
        yield (
            ("url",),
            "both url and launch",
            "keep url if it runs already, launch if the gateway is to start it (null in a profile "
            "takes one of them back)",
        )


def _launch(runner: Node) -> Iterator[Finding]:
    launch, backend = runner.at("launch"), runner.at("backend").text
    if launch.value is None or backend is None:
        return
    if backend == "openai":
        yield (
            ("launch",),
            f"the gateway cannot start a runner of backend {backend}",
            f"start it yourself and give its url; startable: {', '.join(_LAUNCHABLE)}",
        )
    elif backend == "ollama":
        if launch.at("model").value not in (None, "builtin"):
            yield (
                ("launch", "model"),
                "Ollama is started without a model",
                "remove it; name the model under models and fetch it with `ollama pull`",
            )
    elif backend != "llamacpp" and launch.at("model").value in (None, "builtin"):
        yield (
            ("launch", "model") if launch.get("model") else ("launch",),
            f"the built-in model does not run on {backend}",
            "name a model: a path or a Hugging Face id",
        )


def _tls(runner: Node) -> Iterator[Finding]:
    tls, url = runner.at("tls"), runner.at("url").text
    if tls.at("client_key_file").value is not None and tls.at("client_cert_file").value is None:
        yield ("tls", "client_key_file"), "a key without a certificate", "add client_cert_file"
    asks = [key for key, node in tls.mapping.items() if node.value not in (None, key == "verify")]
    if asks and url is not None and url.startswith("http://"):
        yield (
            ("tls",),
            "tls for an address that is not https",
            "write https:// in url, or remove tls",
        )
