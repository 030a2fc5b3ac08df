#!/usr/bin/env python3
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
"""Takes what a server does not need out of the ICU data that are in Foundation's static library.

    trim-icu-data.py lib_FoundationICU.a OUTPUT

writes OUTPUT.dat and OUTPUT.s, which defines the data as `trimmed_icu_data`, and prints the name that they have in the library. What
stays: the root and English of dates, numbers and time zones, normalization, and breaking text into characters, words and sentences. ICU
falls back to the root where a language is missing.
"""

import re
import struct
import subprocess
import sys

# Whole folders: names of languages, currencies, countries and units, sorting by language, spelled-out numbers, transliteration.
UNWANTED_FOLDERS = {"coll", "curr", "lang", "rbnf", "region", "translit", "unit"}
# Their roots stay, since ICU takes a folder without one for broken.
ROOT = "root.res"
# Names of characters, what looks alike, which script a language has, names of time zones in Windows, units of measurement.
UNWANTED_FILES = {
    "cnvalias.icu", "confusables.cfu", "dayPeriods.res", "langInfo.res", "likelySubtags.res", "nfkc_cf.nrm", "nfkc_scf.nrm",
    "unames.icu", "units.res", "windowsZones.res",
}
# Conversions from other character sets, words of languages that have no spaces, profiles of identifiers.
UNWANTED_ENDINGS = (".cnv", ".dict", ".spp")
LANGUAGES = {"en", "en_001", "en_US", "en_US_POSIX"}


def is_wanted(name):
    folder, _, file = name.split("/", 1)[1].rpartition("/")
    if folder in UNWANTED_FOLDERS:
        return file == ROOT and folder not in ("coll", "translit")
    if file in UNWANTED_FILES or file.endswith(UNWANTED_ENDINGS):
        return False
    if folder == "brkitr" and file.startswith("line"):
        return False
    stem = file.removesuffix(".res")
    is_language = stem != file and stem not in ("pool", "res_index") and re.fullmatch(r"[a-z]{2,3}(_\w+)?", stem)
    return not is_language or stem in LANGUAGES


def read_items(data):
    """The header, and name and content of each item: a table of offsets behind the header, names, then the contents."""
    header = struct.unpack_from("<H", data)[0]
    if data[2:4] != b"\xda\x27" or data[12:16] != b"CmnD":
        sys.exit("These are no ICU data.")
    count = struct.unpack_from("<I", data, header)[0]
    entries = [struct.unpack_from("<II", data, header + 4 + 8 * index) for index in range(count)]
    starts = [start for _, start in entries] + [len(data) - header]
    items = []
    for (name, start), end in zip(entries, starts[1:]):
        name = data[header + name : data.index(b"\0", header + name)].decode()
        items.append((name, data[header + start : header + end]))
    return data[:header], items


def write_items(header, items):
    names, offsets = b"", []
    for name, _ in items:
        offsets.append(4 + 8 * len(items) + len(names))
        names += name.encode() + b"\0"
    body = bytearray(struct.pack("<I", len(items)) + bytes(8 * len(items)) + names)
    for index, (_, content) in enumerate(items):
        body += bytes(-len(body) % 16)
        struct.pack_into("<II", body, 4 + 8 * index, offsets[index], len(body))
        body += content
    return header + body


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def main(archive, output):
    with open(output + ".o", "wb") as file:
        file.write(run("ar", "p", archive, "icu_packaged_data.cpp.o"))
    symbol = run("nm", "--defined-only", output + ".o").decode().split()[-1]
    run("objcopy", "--output-target=binary", "--only-section=.rodata", output + ".o", output + ".dat")
    with open(output + ".dat", "rb") as file:
        data = file.read()
    header, items = read_items(data)
    kept = [item for item in items if is_wanted(item[0])]
    if not any(name.endswith("/" + ROOT) for name, _ in kept):
        sys.exit("These ICU data have no root.")
    trimmed = write_items(header, kept)
    with open(output + ".dat", "wb") as file:
        file.write(trimmed)
    with open(output + ".s", "w") as file:
        file.write(
            f"""\
.section .rodata,"a"
.balign 16
.globl trimmed_icu_data
.type trimmed_icu_data, @object
trimmed_icu_data:
.incbin "{output}.dat"
.size trimmed_icu_data, . - trimmed_icu_data
.section .note.GNU-stack, "", @progbits
"""
        )
    print(f"ICU data: {len(kept)} of {len(items)} items, {len(trimmed)} of {len(data)} bytes", file=sys.stderr)
    print(symbol)


main(*sys.argv[1:])
