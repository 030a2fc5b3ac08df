# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Asks the strict OpenMetrics parser of PyPI's prometheus-client what a page says.

    openmetrics.py generate COUNT > SERIES    COUNT random series, the oddest of them by PyPI's hypothesis
    openmetrics.py check SERIES PAGE          whether PAGE says just that

SERIES has a JSON object a line: "label" and "text" are the name and the value of its label, "value" its number. Prints how many series
the page has, and ends with 0; or says what differs, and ends with 1.
"""
import json
import math
import random
import struct
import sys


FIRST, LATER = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "_0123456789"
# What a page has to escape, what looks like its syntax, and what is often taken for the end of a line.
HARD = '"\\\n\r\t{}=,# \u0000\u0085\u2028e\u0301\U0001f600'


def generate(count):
    from hypothesis import HealthCheck, Phase, given, settings, strategies

    # Some names have a meaning, and a name that begins with two underscores is Prometheus' own.
    names = strategies.builds(
        lambda head, tail: head + tail, strategies.sampled_from(FIRST), strategies.text(FIRST + LATER, max_size=8)
    ).filter(lambda name: name not in ("le", "quantile", "overflow"))
    # Surrogates are no text, and a label without a value is none.
    texts = strategies.text(strategies.characters(exclude_categories=["Cs"]), min_size=1, max_size=24)
    numbers = strategies.floats(allow_nan=False)
    series = strategies.tuples(names, texts | strategies.text(HARD, min_size=1, max_size=12), numbers)
    seen = set()

    def emit(name, text, value):
        if len(seen) < count and (name, text) not in seen:
            seen.add((name, text))
            print(json.dumps({"label": name, "text": text, "value": repr(value)}))

    @settings(
        max_examples=300, database=None, deadline=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategies.lists(series, min_size=20, max_size=20))
    def hunt(found):
        for one in found:
            emit(*one)

    hunt()
    # Hypothesis finds what is odd and takes its time; what is many comes from here.
    chance = random.Random(1)
    while len(seen) < count:
        letters = chance.choice((HARD, FIRST + HARD, [chr(chance.randrange(0xD800)) for _ in range(24)]))
        name = "".join(chance.choices(FIRST, k=chance.randint(3, 6)))
        bits = chance.getrandbits(64).to_bytes(8, "little")
        value = struct.unpack("<d", bits)[0]
        emit(name, "".join(chance.choices(letters, k=chance.randint(1, 24))), 0.0 if math.isnan(value) else value)


def check(series, page):
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    expected = {}
    with open(series, encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            expected[(entry["label"], entry["text"])] = float(entry["value"])
    with open(page, encoding="utf-8", newline="") as file:
        families = list(text_string_to_metric_families(file.read()))
    found = {}
    for family in families:
        for sample in family.samples:
            for label in sample.labels.items():
                if sample.name.startswith("random_"):
                    # It gives whole numbers as integers, which have more digits than what is meant.
                    found[label] = float(sample.value)
    differences = [key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)]
    if differences or not expected:
        shown = [(key, expected.get(key), found.get(key)) for key in sorted(differences)[:5]]
        print(f"{len(differences)} of {len(expected)} series differ, such as {shown!r}", file=sys.stderr)
        return 1
    print(len(found))
    return 0


if sys.argv[1] == "generate":
    generate(int(sys.argv[2]))
else:
    sys.exit(check(sys.argv[2], sys.argv[3]))
