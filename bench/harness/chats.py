"""Chats of sentences that look like people's: seeded, so that every run measures the same bytes."""

import json
import random
from datetime import datetime, timedelta, timezone

SYLLABLES = (
    "an ber ca de el fo gra hin is jo ka lo mer nu or pa qui ra sen ti ul ver wa xi yo za "
    "ing tion ment able ous al er ed ly est"
).split()
COMMON = (
    "the of and to in is that it for as with was on be by this are or at from have not you an "
    "which we can but when if so what how then than only more one"
).split()


class Writer:
    """Writes words whose frequencies fall as those of a language do."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        syllables = lambda: "".join(self.random.choice(SYLLABLES) for _ in range(self.random.randint(1, 4)))
        self.words = COMMON + sorted({syllables() for _ in range(3000)})
        self.weights = [1 / (rank + 2) for rank in range(len(self.words))]

    def sentence(self):
        words = self.random.choices(self.words, self.weights, k=self.random.randint(6, 18))
        text = " ".join(words).capitalize()
        return text + self.random.choice([".", ".", ".", "?", ", “" + words[0] + "”."])

    def text(self, size):
        """About `size` bytes, in paragraphs."""
        parts, length = [], 0
        while length < size:
            sentence = self.sentence()
            parts += [sentence, "\n\n" if self.random.random() < 0.15 else " "]
            length += len(sentence.encode()) + 1
        return "".join(parts).strip()


def chat(id, owner, seed, messages=20, view_bytes=8000):
    """A chat of so many messages, whose view has about so many bytes: short questions, long answers."""
    writer = Writer(seed)
    began = datetime(2026, 1, 5, 9, 0, tzinfo=timezone.utc)
    content = view_bytes / messages - 125
    made = []
    for number in range(messages):
        is_answer = number % 2 == 1
        made.append(
            {
                "id": f"message-{number + 1}",
                "content": writer.text(content * (1.6 if is_answer else 0.4) - 35),
                "created_at": (began + timedelta(seconds=30 * number)).isoformat().replace("+00:00", "Z"),
                "reply_to": f"message-{number}" if is_answer else None,
            }
        )
    name = " ".join(writer.words[40 + seed % 500 : 45 + seed % 500]).capitalize()
    return {"id": id, "name": name, "owner": owner, "messages": made}


def write(path, chats):
    path.write_text(json.dumps(chats, ensure_ascii=False), encoding="utf-8")
