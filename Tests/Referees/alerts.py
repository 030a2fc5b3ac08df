# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Looks after the alerts and the dashboard: what neither promtool nor amtool can see.

    alerts.py cases              each alert has a test in which it does not fire early, fires and resolves, with nothing else changed
    alerts.py runbook            each alert's runbook_url leads to a heading of its own, and says how grave it is
    alerts.py numbers            the rules have the numbers of the contract, and ask for what the program has (PAGE: its /metrics)
    alerts.py hasten FACTOR      the rules with every `for:` divided by FACTOR, on standard output, one document
    alerts.py mutants            the tests of the rules notice when a number of a rule of the probes is another

Ends with 0, or says what is wrong and ends with 1.
"""
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "deploy/prometheus"


def seconds(text):
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+)([smhd])", str(text)))


def rule_files():
    return {path: yaml.safe_load(path.read_text()) for path in sorted((FOLDER / "rules").glob("*.yaml"))}


def alerts():
    found = {}
    for document in rule_files().values():
        for group in document["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    assert rule["alert"] not in found, f"{rule['alert']} is there twice"
                    found[rule["alert"]] = rule
    return found


def cases():
    """The tests in which an alert is first silent, then fires, then is silent again, in one and the same course of events."""
    findings, names = [], alerts()
    complete, tested = set(), set()
    for path in sorted((FOLDER / "tests").glob("*.yaml")):
        for test in yaml.safe_load(path.read_text())["tests"]:
            looks = {}
            for look in test.get("alert_rule_test", []):
                looks.setdefault(look["alertname"], []).append((seconds(look["eval_time"]), bool(look.get("exp_alerts"))))
            for name, course in looks.items():
                tested.add(name)
                fires = [fired for _, fired in sorted(course)]
                if True in fires:
                    first, last = fires.index(True), len(fires) - 1 - fires[::-1].index(True)
                    if first > 0 and last < len(fires) - 1:
                        complete.add(name)
    findings += [f"{name} has no test in which it does not fire early, fires and resolves" for name in names if name not in complete]
    findings += [f"{name} has a test and is no alert" for name in tested if name not in names]
    return findings


def anchors(path):
    """The headings of a document as GitHub links to them."""
    found = set()
    for line in path.read_text().split("\n"):
        match = re.match(r"#+ (.*)", line)
        if match:
            text = re.sub(r"[^\w\- ]", "", match[1].strip().lower())
            found.add(text.replace(" ", "-"))
    return found


def runbook():
    findings = []
    for name, rule in alerts().items():
        if rule["labels"].get("severity") not in ("page", "warn"):
            findings.append(f"{name} does not say how grave it is")
        for annotation in ("summary", "description", "runbook_url"):
            if not rule["annotations"].get(annotation):
                findings.append(f"{name} has no {annotation}")
        path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        if anchor != name.lower():
            findings.append(f"{name} leads to the section of something else: {anchor}")
        if not (ROOT / path).exists() or anchor not in anchors(ROOT / path):
            findings.append(f"{name} leads nowhere: {rule['annotations']['runbook_url']}")
    return findings


def numbers(page):
    findings, found = [], alerts()
    # SPEC §6 and §2; `for:` is how long it has to hold.
    contract = {
        "MedbuilderUnhealthy": (60, "page"), "MedbuilderNotReady": (30, "page"), "MedbuilderNotLive": (30, "page"),
        "MedbuilderAbsent": (30, "page"), "MedbuilderDegraded": (300, "warn"), "MedbuilderForcedShutdown": (0, "warn"),
    }
    for name, (wait, severity) in contract.items():
        rule = found[name]
        if seconds(rule.get("for", "0s")) != wait or rule["labels"]["severity"] != severity:
            findings.append(f"{name} waits {rule.get('for')} and is a {rule['labels']['severity']}: it should be {wait} s, a {severity}")
    records = {
        rule["record"]: rule["expr"]
        for document in rule_files().values() for group in document["groups"] for rule in group["rules"] if "record" in rule
    }
    for name in ("instance:medbuilder_phase:ending_90s", "instance:medbuilder_phase:starting_90s"):
        if not re.search(r"\[90s\]|< 90\b", records[name]):
            findings.append(f"{name} is not about 90 s")
    # Every metric, and every value of a label that is asked for, is on the page of the program.
    names, text = set(re.findall(r"^# TYPE (\S+)", page, re.M)), page
    for series in re.findall(r"^([a-z_]+)(?:\{|\s)", page, re.M):
        names.add(series)
    expressions = [rule["expr"] for rule in found.values()] + list(records.values())
    for expression in expressions:
        bare = re.sub(r'"[^"]*"', '""', expression)
        for name in set(re.findall(r"\b((?:http|process|medbuilder|database|log|otlp)_[a-z_]+)\b(?!:)", re.sub(r"\w+:\w+:\w+", "", bare))):
            if name not in names:
                findings.append(f"The program has no {name}")
        for label, values in re.findall(r'\b(phase|le)[!=]=?~?"([^"]*)"', expression):
            for value in values.split("|"):
                if f'{label}="{value}"' not in text:
                    findings.append(f"The program has no {label} {value}")
        for value in re.findall(r'medbuilder_health_status\{[^}]*status="([^"]*)"', expression):
            if f'medbuilder_health_status{{status="{value}"}}' not in text:
                findings.append(f"The program is never {value}")
    # What docs/operations.md says of the probes.
    operations = (ROOT / "docs/operations.md").read_text()
    often = int(re.search(r"`/ready` every (\d+) s", operations)[1])
    asked = seconds(yaml.safe_load((FOLDER / "prometheus.yml").read_text())["global"]["scrape_interval"])
    if asked != often:
        findings.append(f"Prometheus asks every {asked} s, and /ready should be asked every {often} s")
    full = re.search(r"^\| `memory` \|.*more than (\d+) %", operations, re.M)[1]
    if f"memory above {full} %" not in found["MedbuilderDegraded"]["annotations"]["description"]:
        findings.append(f"MedbuilderDegraded does not say that the memory is above {full} %")
    table = yaml.safe_load((FOLDER / "objectives.yaml").read_text())
    said = re.search(r"Of the server itself: (.*?)\. `unmatched`", (ROOT / "docs/metrics.md").read_text())[1]
    if sorted(re.findall(r"`(/[^`]*)`", said)) != sorted(table["left_out_routes"]):
        findings.append("The routes that are left out are not those that docs/metrics.md calls the server's own")
    return findings


def hasten(factor):
    """Only the lines with `for:` change, so that everything else is what is deployed."""
    def shorter(match):
        return f"{match[1]}{int(seconds(match[2]) * 1000 / factor)}ms"

    texts = [re.sub(r"^( +for: )(\S+)$", shorter, path.read_text(), flags=re.M) for path in rule_files()]
    print("groups:")
    for text in texts:
        print(text.split("\ngroups:\n", 1)[1], end="")
    return []


def mutants():
    """Each number of the probes' rules once a little less and once a little more: some test has to fail."""
    path = FOLDER / "rules/probes.yaml"
    lines = path.read_text().split("\n")
    # Durations, and numbers that something is compared with.
    pattern = r"(?<=\[)\d+(?=[smh]\])|(?<=for: )\d+(?=[smh]$)|(?<=[<=>] )\d+\b|(?<=offset )\d+(?=h)"
    changed, test = [], "probes.yaml"
    for index, line in enumerate(lines):
        if "alert:" in line:
            # Whose tests are apart.
            test = "receipts.yaml" if "ForcedShutdown" in line else "probes.yaml"
        if re.match(r" *(#|description:|summary:|interval:)", line):
            continue
        for match in re.finditer(pattern, line):
            number = int(match[0])
            others = {number * 3 // 4, number * 3 // 2} if number > 2 else {1 - number} if line[match.start() - 2] in "=<>" else {2}
            # More patience with a Prometheus that was away is no mistake.
            others -= {7} if "[5m] offset" in line else set()
            for other in sorted(others):
                mutant = f"{line[:match.start()]}{other}{line[match.end():]}"
                changed.append((index + 1, mutant.strip(), test, "\n".join(lines[:index] + [mutant] + lines[index + 1:])))

    def survives(number, line, test, text):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "rules").mkdir()
            (folder / "tests").mkdir()
            (folder / "rules/probes.yaml").write_text(text)
            (folder / "tests" / test).write_text((FOLDER / "tests" / test).read_text())
            status = subprocess.run(["promtool", "test", "rules", folder / "tests" / test], capture_output=True, timeout=120).returncode
        return f"deploy/prometheus/rules/probes.yaml:{number}: no test notices `{line}`" if status == 0 else None

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        findings = [finding for finding in pool.map(lambda mutant: survives(*mutant), changed) if finding]
    print(f"{len(changed)} mutants")
    return findings


def main(arguments):
    match arguments:
        case ["cases"]:
            findings = cases()
        case ["runbook"]:
            findings = runbook()
        case ["numbers", page]:
            findings = numbers(pathlib.Path(page).read_text())
        case ["hasten", factor]:
            findings = hasten(float(factor))
        case ["mutants"]:
            findings = mutants()
        case _:
            findings = [__doc__]
    if findings:
        sys.exit("\n".join(findings))


main(sys.argv[1:])
