"""The shipped demonstration model: small, readable, true, and honest about the rest."""

from __future__ import annotations

import importlib.util
import itertools
import json
import random
import re
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from backends.builtin import CONTEXT_TOKENS, MODEL_ID, model_path
from backends.builtin.corpus import conversations, expand, read_corpus
from backends.builtin.export_hf import export_hf

SERVER = """
import sys
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx = int(sys.argv[2])
params.cpuparams.n_threads = 2
params.warmup = False
server = xllamacpp.Server(params)
print("listening", server.listening_address, flush=True)
sys.stdin.read()
"""

# Phrasings that are not in the training set (checked below), and a fact of the right answer.
UNSEEN = [
    ("Could you explain what Sluicegate is?", "one OpenAI-compatible endpoint"),
    ("Which command launches Sluicegate?", "sluicegate serve"),
    ("Which URL should my client use?", "http://127.0.0.1:8080/v1"),
    ("How can my Node app reach the gateway?", "base_url"),
    ("Please list the supported model servers.", "llama-cpp-python"),
    ("I already have Ollama running, what now?", "11434"),
    ("Could we serve llama3 from vLLM instead of Ollama?", "SLUICEGATE_MODELS__LLAMA3__BACKEND"),
    ("Which environment variable selects the profile?", "SLUICEGATE_PROFILE"),
    ("How do I know whether my configuration is correct?", "sluicegate check"),
    ("How many prompts does one runner work on at the same time?", "one request in flight"),
    ("What do clients get once the waiting line is full?", "Retry-After"),
    ("Where would I see that the gateway is alive?", "/health/live"),
    ("I'd like to see the numbers in Prometheus", "/metrics"),
    ("Is anything I type kept in a log file?", "not written to the logs"),
    ("Is it possible to interrupt an answer?", "frees its slot"),
]
SEEN = [
    ("Hello", "demonstration model"),
    ("Say hello.", "demonstration model"),
    ("What is Sluicegate?", "one OpenAI-compatible endpoint"),
    ("who are you", "demonstration model"),
    ("What can you do?", "a few questions about Sluicegate"),
]
OFF_TOPIC = ["What is the capital of France?", "How do I bake sourdough bread?"]
FALLBACK = "tiny demonstration model and know only a few things about Sluicegate"


class Server:
    """A llama.cpp server on the shipped file, in a process of its own."""

    def __init__(self, address: str) -> None:
        self.address = address

    def post(self, path: str, body: dict[str, Any]) -> Any:
        data = json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self.address + path, data, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def ask(self, question: str, system: str = "", **options: Any) -> tuple[str, str]:
        """The answer and its finish_reason."""
        messages = [{"role": "user", "content": question}]
        if system:
            messages.insert(0, {"role": "system", "content": system})
        body = {"messages": messages, "max_tokens": 200, **options}
        choice = self.post("/v1/chat/completions", body)["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed: no llama.cpp server to run the model")
    command = [sys.executable, "-c", SERVER, str(model_path()), str(CONTEXT_TOKENS)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = next((x for x in process.stdout if x.startswith("listening ")), "")
            assert line, f"the server ended with code {process.wait()} before it listened"
            yield Server(line.split()[1])
        finally:
            process.kill()


def test_the_model_is_a_small_gguf() -> None:
    assert model_path().stat().st_size <= 4_000_000
    with model_path().open("rb") as file:
        magic, version = struct.unpack("<4sI", file.read(8))
    assert (magic, version) == (b"GGUF", 3)


def test_the_model_names_itself_its_licence_and_its_context() -> None:
    gguf = pytest.importorskip("gguf", reason="gguf is not installed")
    fields = gguf.GGUFReader(model_path()).fields
    assert fields["general.name"].contents() == MODEL_ID
    assert fields["general.license"].contents() == "apache-2.0"
    assert fields["llama.context_length"].contents() == CONTEXT_TOKENS


@pytest.mark.parametrize(("question", "fact"), SEEN + UNSEEN)
def test_it_answers_questions_about_sluicegate(server: Server, question: str, fact: str) -> None:
    answer, finish = server.ask(question, temperature=0)
    assert fact in answer
    assert finish == "stop"


@pytest.mark.parametrize("question", OFF_TOPIC)
def test_it_says_that_it_cannot_answer_anything_else(server: Server, question: str) -> None:
    answer, finish = server.ask(question, temperature=0)
    assert FALLBACK in answer
    assert finish == "stop"


def test_a_system_prompt_does_not_disturb_it(server: Server) -> None:
    answer, finish = server.ask(
        "What is Sluicegate?", system="You are a helpful assistant.", temperature=0
    )
    assert "one OpenAI-compatible endpoint" in answer
    assert finish == "stop"


@pytest.mark.parametrize("options", [{}, {"temperature": 0.8}])
def test_sampling_does_not_disturb_it(server: Server, options: dict[str, Any]) -> None:
    answers = [server.ask("What is Sluicegate?", seed=seed, **options) for seed in range(5)]
    assert all("one OpenAI-compatible endpoint" in answer for answer, _ in answers), answers
    assert {finish for _, finish in answers} == {"stop"}


def test_it_answers_the_last_question_of_a_conversation(server: Server) -> None:
    messages = [
        {"role": "user", "content": "What is Sluicegate?"},
        {"role": "assistant", "content": "A gateway."},
        {"role": "user", "content": "Which license is it under?"},
    ]
    body = {"messages": messages, "temperature": 0, "max_tokens": 200}
    answer = server.post("/v1/chat/completions", body)["choices"][0]["message"]["content"]
    assert "Apache-2.0" in answer


def test_a_prompt_that_nearly_fills_the_context_does_no_harm(server: Server) -> None:
    """It was trained on short prompts: what it says to a long one means nothing."""
    text = "apple tree and river " * 220
    tokens = server.post("/tokenize", {"content": text})["tokens"]
    assert 0.7 * CONTEXT_TOKENS < len(tokens) < 0.95 * CONTEXT_TOKENS
    answer, finish = server.ask(text, temperature=0)
    assert answer
    assert finish in ("stop", "length")
    again, _ = server.ask("What is Sluicegate?", temperature=0)
    assert "one OpenAI-compatible endpoint" in again


def test_every_pattern_expands_to_plain_text() -> None:
    corpus = read_corpus()
    chance = random.Random(1)
    for topic in corpus.topics:
        for pattern in topic.ask:
            text = expand(pattern, corpus.words, chance)
            assert not set(text) & set("$|()"), f"{pattern!r} gave {text!r}"


def test_no_two_topics_have_the_same_answer() -> None:
    answers = [topic.answer for topic in read_corpus().topics]
    assert len(set(answers)) == len(answers)


def test_the_same_seed_draws_the_same_conversations() -> None:
    corpus = read_corpus()
    first, again, other = (
        list(itertools.islice(conversations(corpus, seed), 20)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_the_unseen_questions_are_not_in_the_training_set() -> None:
    corpus = read_corpus()
    patterns = [
        re.compile(_regex(pattern, corpus.words), re.IGNORECASE)
        for topic in corpus.topics[:-1]
        for pattern in topic.ask
    ]
    assert any(pattern.fullmatch("what is sluicegate") for pattern in patterns)
    seen = [
        question
        for question, _ in UNSEEN
        if any(pattern.fullmatch(question.rstrip("?.")) for pattern in patterns)
    ]
    assert seen == []


def _regex(pattern: str, words: Mapping[str, Sequence[str]]) -> str:
    """The questions that a pattern of faq.yaml stands for, as a regular expression."""
    while found := re.search(r"\$(\w+)", pattern):
        chosen = "|".join(words[found[1]])
        pattern = pattern.replace(found[0], f"({chosen})")
    literal = re.sub(r"[.+*?\[\]{}^\\]", r"\\\g<0>", pattern)
    return re.sub(r" +", r"\\s*", literal)


STRINGS = [
    "What is Sluicegate?",
    "  two  spaces,\n\ttabs\r\nand lines\n\n",
    "don't I'll we've 12345 3.14 x=y+z; a_b",
    "Grüße, naïve café, 你好, Привет, 🙂👍",
    "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n",
    "SLUICEGATE_MODELS__LLAMA3__BACKEND=vllm",
]


def test_the_hugging_face_export_has_the_same_tokenizer(server: Server, tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="gguf is not installed: no export")
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    export_hf(tmp_path / "hf")
    tokenizer = tokenizers.Tokenizer.from_file(str(tmp_path / "hf" / "tokenizer.json"))
    for text in STRINGS:
        served = server.post("/tokenize", {"content": text, "parse_special": True})["tokens"]
        assert tokenizer.encode(text).ids == served, text
        assert tokenizer.decode(served, skip_special_tokens=False) == text


def test_the_hugging_face_export_is_a_complete_llama(tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="gguf is not installed: no export")
    directory = export_hf(tmp_path / "hf")
    config = json.loads((directory / "config.json").read_text())
    with (directory / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    shapes = {name: tuple(header[name]["shape"]) for name in header if name != "__metadata__"}
    width, hidden = config["hidden_size"], config["intermediate_size"]
    assert shapes["model.embed_tokens.weight"] == (config["vocab_size"], width)
    assert shapes["model.norm.weight"] == (width,)
    for layer in range(config["num_hidden_layers"]):
        assert shapes[f"model.layers.{layer}.self_attn.q_proj.weight"] == (width, width)
        assert shapes[f"model.layers.{layer}.mlp.down_proj.weight"] == (width, hidden)
    assert len(shapes) == 2 + 9 * config["num_hidden_layers"]
