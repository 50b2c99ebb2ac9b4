#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns knowledge/<language>/phrases.yaml into C++: phrases.py HEADER SOURCE ENGLISH [OTHER...]

The keys of the English file become an enum, so a phrase that is missing does not compile. Every other language
must have the same keys with the same {names}; else the build ends with file: reason."""
import os
import re
import sys

import yaml

NAME = re.compile(r"\{([a-z0-9_]+)\}")


def read(path: str) -> dict[str, str]:
    with open(path, encoding="utf-8") as f:
        phrases = yaml.safe_load(f)
    if not isinstance(phrases, dict) or not phrases:
        sys.exit(f"{path}: not a mapping of keys to phrases")
    for key, text in phrases.items():
        if not isinstance(key, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", key):
            sys.exit(f"{path}: {key}: a key is made of a-z, 0-9 and _")
        if not isinstance(text, str) or not text:
            sys.exit(f"{path}: {key}: a phrase is a text; quote it")
        rest = NAME.sub("", text)
        if "{" in rest or "}" in rest:
            sys.exit(f"{path}: {key}: braces hold a name of a-z, 0-9 and _")
    return phrases


def literal(text: str) -> str:
    return '"' + "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in text.encode()) + '"'


def main() -> None:
    header, source, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    languages = {os.path.basename(os.path.dirname(path)): (path, read(path)) for path in files}
    english_path, english = languages["en"]
    for path, phrases in languages.values():
        for key in english.keys() | phrases.keys():
            if key not in phrases:
                sys.exit(f"{path}: {key} is missing; {english_path} has it")
            if key not in english:
                sys.exit(f"{path}: {key} is unknown; {english_path} lacks it")
            if set(NAME.findall(phrases[key])) != set(NAME.findall(english[key])):
                sys.exit(f"{path}: {key}: not the same {{names}} as in {english_path}")
    keys = list(english)
    # C++ has `try` for itself.
    members = ",\n    ".join(f"{key}_" if key == "try" else key for key in keys)
    with open(header, "w", encoding="ascii") as f:
        f.write("#pragma once\n#include <cstdint>\nnamespace waggle::explain {\n"
                f"enum class Phrase : std::uint16_t {{\n    {members}\n}};\n"
                f"inline constexpr std::uint16_t phrase_count = {len(keys)};\n}}  // namespace waggle::explain\n")
    with open(source, "w", encoding="ascii") as f:
        f.write('#include "explain/phrases.h"\nnamespace waggle::explain {\nnamespace {\n')
        for language, (_, phrases) in languages.items():
            texts = ",\n    ".join(literal(phrases[key]) for key in keys)
            f.write(f"constexpr std::string_view texts_{language}[] = {{\n    {texts}\n}};\n")
        f.write("}  // namespace\nstd::string_view phrase(Phrase key, std::string_view language) {\n")
        for language in languages:
            if language != "en":
                f.write(f'    if (language == "{language}") return texts_{language}[static_cast<std::size_t>(key)];\n')
        f.write("    (void)language;\n    return texts_en[static_cast<std::size_t>(key)];\n}\n"
                "}  // namespace waggle::explain\n")


main()
