"""The table of docs/settings.md, generated: `python -m tests.architecture.settings_table` writes it."""

from typing import Final

from fhirserver.settings import Settings
from tests.architecture.repository import ROOT, text

DOCUMENT: Final = "docs/settings.md"
BEGIN: Final = "<!-- settings: begin (generated) -->"
END: Final = "<!-- settings: end -->"


def table() -> str:
    """The table of every setting, in the order of the code."""
    lines = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for item in Settings.describe():
        default = f"`{item.default}`" if item.default else "none"
        secret = " **Secret.**" if item.secret else ""
        lines.append(f"| `{item.name}` | {default} | {item.meaning}{secret} |")
    return "\n".join(lines)


def written() -> str:
    """The table as the document holds it."""
    return text(DOCUMENT).partition(BEGIN)[2].partition(END)[0].strip()


def write() -> None:
    """Replace the table in the document."""
    before, _, rest = text(DOCUMENT).partition(BEGIN)
    after = rest.partition(END)[2]
    (ROOT / DOCUMENT).write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    write()
