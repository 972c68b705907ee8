"""Results: kept in a file of figures, shown between two markers: all in docs/PERFORMANCE.md, the leading
ones in README.md."""

import json

from .programs import REPOSITORY

FIGURES = REPOSITORY / "bench" / "results.json"
PAGE = REPOSITORY / "docs" / "PERFORMANCE.md"
README = REPOSITORY / "README.md"
BEGIN, END = "<!-- results: written by bench/run.py -->", "<!-- end of results -->"
SECTIONS = {
    "view": "1. View of a public frozen link",
    "private": "2. View of a private link",
    "create": "3. Create",
    "list": "4. List",
    "qr": "5. QR code",
    "live": "6. Live",
    "footprint": "7. Footprint",
    "large": "8. Large chats",
}


def row(what, figure, reference="", ratio=None, goal="", met=None):
    """A line of the table; `ratio` is a number or words, `met` is None where nothing is asked."""
    shown = f"{ratio:.2f}" if isinstance(ratio, float) else ratio or ""
    return {"what": what, "figure": figure, "reference": reference, "ratio": shown, "goal": goal, "met": met}


def keep(section, rows, description, notes=()):
    """Puts a section's rows in place of its last ones, and writes the page anew."""
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    figures[section] = {**description, "rows": rows, "notes": list(notes)}
    FIGURES.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    write(PAGE, table(figures))
    write(README, summary(figures))


def write(page, text):
    """Puts the text between the page's markers."""
    before, rest = page.read_text().split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def summary(figures):
    """The first line of each section and database that has a goal, and where it was measured."""
    known = {title.split(". ")[1]: figures[section] for section, title in SECTIONS.items() if section in figures}
    leading = {}
    for title, found in known.items():
        for row in found["rows"]:
            if row["met"] is not None:
                leading.setdefault((title, row["what"].split(":")[0]), row)
    lines = ["| what | figure | beside | ratio | goal |", "| --- | --- | --- | --- | --- |"]
    for (title, _), row in leading.items():
        goal = row["goal"] if row["met"] else f"{row['goal']}: **not met**"
        lines.append("| " + " | ".join([f"{title}. {row['what']}", row["figure"], row["reference"], row["ratio"], goal]) + " |")
    latest = max(known.values(), key=lambda found: found["date"])
    return "\n".join([*lines, "", f"*{latest['date']}; {latest['machine']}; {latest['versions']}.*", ""])


def table(figures):
    """Everything that is known, as Markdown."""
    known = [(section, figures[section]) for section in SECTIONS if section in figures]
    lines = []
    for section, found in known:
        lines += [f"### {SECTIONS[section]}", ""]
        lines += ["| what | figure | reference | ratio | goal | met |", "| --- | --- | --- | --- | --- | --- |"]
        for row in found["rows"]:
            met = {True: "yes", False: "**no**", None: ""}[row["met"]]
            cells = [row["what"], row["figure"], row["reference"], row["ratio"], row["goal"], met]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines += ["", *(f"{note}\n" for note in found["notes"])]
        lines += [f"*{found['date']}; {found['machine']}; {found['versions']}; {found['how']}.*", ""]
    return "\n".join(lines)


def rate(value):
    return f"{value:,.0f}/s"


def times(measured):
    return f"{rate(measured.rate)}, p99 {measured.p99:.2f} ms"


def size(count):
    """Bytes, as people read them."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def disturbed(measured):
    """What to say when other processes took a part of the machine; None when they did not."""
    shares = [run["others"] for one in measured.values() for run in one.runs]
    worst = max(shares, default=0)
    if worst < 0.05:
        return None
    middle = sorted(shares)[len(shares) // 2]
    return f"Other processes took {middle:.0%} of the machine in the middle run, {worst:.0%} in the worst."
