"""Lists of what is left undone with a reason: survivors of mutation, code that no test covers.

An entry is a paragraph of fields: file, line (the text of the line), change (any number of them) and
reason, which may go on in indented lines. Lines that begin with # are not read.
"""

import dataclasses


@dataclasses.dataclass
class Entry:
    file: str
    line: str       # its text, without white space around
    changes: tuple  # what of the line is meant
    reason: str
    place: int      # line in the list


def Read(path):
    """Entries of a list; none where there is no file. ValueError: what is wrong, and in which line."""
    entries, fields, place = [], {}, 0
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for number, line in enumerate([*lines, ""], 1):
        if line.startswith("#"):
            continue
        key, _, value = line.partition(": ")
        if not line.strip():
            if fields:
                missing = {"file", "line", "change", "reason"} - set(fields)
                if missing:
                    raise ValueError(f"{path}:{place}: the entry has no '{min(missing)}:'")
                entries.append(Entry(fields["file"], fields["line"].strip(), tuple(fields["change"]), fields["reason"],
                                     place))
            fields = {}
        elif key == "change":
            fields.setdefault("change", []).append(value.strip())
        elif key in ("file", "line", "reason") and value and key not in fields:
            fields[key] = value.strip()
            place = number if key == "file" else place
        elif line.startswith(" ") and "reason" in fields:
            fields["reason"] += " " + line.strip()
        else:
            raise ValueError(f"{path}:{number}: '{line}' is no field: file, line, change, reason, or an indented "
                             f"line that goes on with the reason")
    return entries
