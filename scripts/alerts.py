#!/usr/bin/env python3
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Makes the alerts on the objectives of deploy/prometheus/objectives.yaml.

    alerts.py            writes deploy/prometheus/rules/objectives.yaml
    alerts.py --check    says whether that file is what it would write, and ends with 1 if it is not
"""
import pathlib
import sys
import textwrap

import yaml

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "deploy/prometheus"
TABLE, RULES = FOLDER / "objectives.yaml", FOLDER / "rules/objectives.yaml"

HEAD = """\
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
#
# Made by `make alerts` from deploy/prometheus/objectives.yaml: change that, not this.
groups:
  - name: medbuilder-objectives
    interval: 30s
    rules:
"""

UNITS = {"m": 60, "h": 3600, "d": 86400}


def seconds(window):
    return int(window[:-1]) * UNITS[window[-1]]


def number(value):
    """The shortest text of a number, without what the arithmetic of a machine adds at its end."""
    return f"{value:.12g}"


def pattern(routes):
    """A regular expression for exactly these routes. Braces in brackets need no backslash, which YAML and PromQL would both read."""
    return "|".join(route.replace("{", "[{]").replace("}", "[}]") for route in routes)


def rate(table, name, labels, window):
    """The rate of a metric of the requests that count, one matcher a line where the line would be long."""
    own = "".join(f", {label}" for label in labels)
    routes = pattern(table["left_out_routes"])
    return f'sum by (job) (rate({name}{{\n  job="{table["job"]}"{own},\n  route!~"{routes}"\n}}[{window}]))'


def ratio(table, objective, window):
    """The share of the requests in a window that fail an objective; 0 if none does, nothing if there are none."""
    if objective["fails"] == "status":
        everything = rate(table, "http_requests_total", [], window)
        failed = rate(table, "http_requests_total", ['status=~"5.."'], window)
        return f"(\n{indented(failed, 2)}  or\n  0 *\n{indented(everything, 2)})\n/\n{everything}"
    name, answered = "http_request_duration_seconds", ['status!~"5.."']
    fast = rate(table, f"{name}_bucket", answered + [f'le="{number(objective["seconds"])}"'], window)
    return f"1 -\n{fast}\n/\n{rate(table, f'{name}_count', answered, window)}"


def indented(text, depth):
    return "".join(f"{' ' * depth}{line}\n" for line in text.split("\n"))


def record(name, expression, labels=None):
    text = f"      - record: {name}\n        expr: |\n{indented(expression, 10)}"
    return text + (f"        labels: {labels}\n" if labels else "")


def burning(objective, windows, least):
    """One pair of windows, both above the rate."""
    limit = f'({number(windows["rate"])} * {number(1 - objective["percent"] / 100)})'
    long, short = (
        f'job:medbuilder_failed:ratio_rate{windows[length]}{{objective="{objective["name"]}"}} > {limit}'
        for length in ("long", "short"))
    enough = f'job:medbuilder_requests:rate{windows["long"]} * {seconds(windows["long"])} >= {least}'
    return f"{long}\nand on (job, objective)\n{short}\nand on (job)\n{enough}"


def alert(table, objective, kind):
    name = f'Medbuilder{objective["name"].capitalize()}{kind["name"]}'
    expression = "\nor\n".join(burning(objective, pair, table["least_requests"]) for pair in kind["windows"])
    times = " or ".join(
        f'{number(pair["rate"])} times too fast over {pair["long"]}' for pair in kind["windows"])
    description = textwrap.fill(
        f'{objective["promise"]}: what may be missed of that in {table["period_days"]} days is being used up {times}. '
        "Now {{ $value | humanizePercentage }} miss it.", 120)
    return (
        f"      - alert: {name}\n        expr: |\n{indented(expression, 10)}"
        f'        labels:\n          severity: {kind["severity"]}\n'
        "        annotations:\n"
        f'          summary: "The objective of {objective["name"]} is being missed."\n'
        f"          description: >-\n{indented(description, 12)}"
        f'          runbook_url: "docs/runbook.md#{name.lower()}"\n'
    )


def rules(table):
    pairs = [pair for kind in table["alerts"] for pair in kind["windows"]]
    windows = sorted({pair[length] for pair in pairs for length in ("long", "short")}, key=seconds)
    parts = [
        record(f"job:medbuilder_requests:rate{window}", rate(table, "http_requests_total", [], window))
        for window in sorted({pair["long"] for pair in pairs}, key=seconds)
    ]
    parts += [
        record(
            f"job:medbuilder_failed:ratio_rate{window}", ratio(table, objective, window),
            f'{{objective: {objective["name"]}}}')
        for objective in table["objectives"]
        for window in windows
    ]
    parts += [alert(table, objective, kind) for objective in table["objectives"] for kind in table["alerts"]]
    return HEAD + "\n".join(parts)


def main(arguments):
    text = rules(yaml.safe_load(TABLE.read_text()))
    if arguments == ["--check"]:
        if RULES.read_text() != text:
            sys.exit("deploy/prometheus/rules/objectives.yaml is not what deploy/prometheus/objectives.yaml gives: run `make alerts`.")
        return
    if arguments:
        sys.exit(__doc__)
    RULES.write_text(text)


main(sys.argv[1:])
