"""Issue 4, 2: a private link, seen by people with RS256 tokens, beside a public one."""

import json

from .load import Target, alternate
from .results import disturbed, row, times

# More people than connections: each request shows another of these tokens.
PEOPLE = 200

MANY = """
local tokens = { %s }
local next = 0
function request()
    next = next %% #tokens + 1
    return wrk.format("GET", nil, {["Authorization"] = tokens[next]})
end
"""


def measure(scene, databases):
    rows, notes = [], []
    tokens = [scene.provider.token(f"viewer-{number}", name=f"Viewer {number}") for number in range(PEOPLE)]
    script = scene.folder / "tokens.lua"
    listed = ", ".join(json.dumps("Bearer " + token) for token in tokens)
    script.write_text(MANY % listed + Target("", "").script.read_text())
    for database in databases:
        with scene.service(database) as service:
            public = scene.share(service)
            private = scene.share(service, is_private=True)
            one = {"Authorization": f"Bearer {tokens[0]}"}
            measured = alternate(
                [
                    Target("public view", service.url + public),
                    Target("public view, a token shown", service.url + public, one),
                    Target("private view, one viewer", service.url + private, one),
                    Target(f"private view, {PEOPLE} viewers", service.url + private, script=script),
                    # The load generator has more to do for each request; so it is measured by itself.
                    Target(f"public view, {PEOPLE} viewers", service.url + public, script=script),
                ],
                scene.options,
            )
        seen = measured["public view"]
        for name in list(measured)[1:]:
            other = measured[name]
            is_goal = name == "private view, one viewer"
            ratio = other.rate / seen.rate
            rows.append(
                row(f"{database.kind}: {name}", times(other), times(seen), ratio,
                    "≥ 0.90" if is_goal else "", ratio >= 0.9 if is_goal else None)
            )
        private, public = (measured[f"{kind} view, {PEOPLE} viewers"] for kind in ("private", "public"))
        ratio = private.rate / public.rate
        rows.append(
            row(f"{database.kind}: private beside public, {PEOPLE} viewers each", times(private), times(public),
                ratio, "≥ 0.90", ratio >= 0.9)
        )
        notes += [f"{database.kind}: {note}" for note in [disturbed(measured)] if note]
    return rows, notes
