"""A hash that stands for a value: one text for it, whatever the order of keys, and none for what is no number."""

import hashlib
import math

import pytest

from hil.measure.canonical import canonical_json, canonical_sha256


def test_a_value_has_one_text_and_its_hash_is_that_texts() -> None:
    text = '{"a":[1,2.5,null],"b":{"c":"Ü","d":true}}'
    value = {"b": {"d": True, "c": "Ü"}, "a": [1, 2.5, None]}
    assert canonical_json(value) == text
    assert canonical_sha256(value) == hashlib.sha256(text.encode("utf-8")).hexdigest()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_no_number_has_no_hash(bad: float) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        canonical_sha256({"a": [bad]})
