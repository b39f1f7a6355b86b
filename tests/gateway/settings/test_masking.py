"""What faults show of a value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.masking import MASK, masked_text, names_a_secret, shown, shown_path


@pytest.mark.parametrize(
    "name", ["api_key", "API-KEY", "HF_TOKEN", "X-Auth-Token", "password", "passwd", "Cookie"]
)
def test_names_of_secrets_are_recognised(name: str) -> None:
    assert names_a_secret(name)


@pytest.mark.parametrize(
    "name", ["api_key_file", "TOKENIZERS_PARALLELISM", "max_tokens", "keep_alive", "monkey", ""]
)
def test_names_of_other_things_are_not(name: str) -> None:
    assert not names_a_secret(name)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("http://u:p@h:1/x", f"http://{MASK}@h:1/x"),
        ("http://u:p@q@h", f"http://{MASK}@h"),
        ("http://h/?a=b", f"http://h/?{MASK}"),
        ("Bearer abc", MASK),
        ("key sk-abcdef123456", f"key {MASK}"),
        ("key sg-abcdef123456", f"key {MASK}"),
        ("HF_TOKEN", "HF_TOKEN"),
        ("task-oriented-model", "task-oriented-model"),
        ("http://h:1/x", "http://h:1/x"),
        ("meta-llama/Llama@2", "meta-llama/Llama@2"),
    ],
)
def test_credentials_inside_text_are_masked(text: str, masked: str) -> None:
    assert masked_text(text) == masked


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ("a\x1b[31m\n", '"a\\u001b[31m\\n"'),
        ("x" * 500, '"' + "x" * 80 + '…"'),
        ({"a": 1}, "a mapping"),
        ([1, 2], "a list of 2"),
    ],
)
def test_a_value_is_shown_on_one_line(value: object, text: str) -> None:
    assert shown(value) == text


@given(st.text(alphabet=st.characters(exclude_categories=[])) | st.integers() | st.floats())
def test_whatever_the_value_it_can_be_printed(value: object) -> None:
    line = shown(value)
    line.encode()
    assert line.isprintable()


def test_a_path_quotes_what_would_be_ambiguous() -> None:
    assert shown_path(("models", "gpt-4.1", "backend")) == 'models."gpt-4.1".backend'
