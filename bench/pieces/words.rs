//! Messages of words that look like people's, the same at every run.

use serde_json::{Value, json};
use shared_chats::model::Message;

const WORDS: &str = "the report of last quarter is slow because an index is missing on orders and every row is \
    read although only one region was asked for so we measured both ways with explain and found \
    that a range over dates lets the planner use it while functions on columns do not";

/// Text of about so many bytes.
fn text(seed: usize, bytes: usize) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut state = u32::try_from(seed).unwrap() * 2 + 1;
    let mut text = String::new();
    while text.len() < bytes {
        // Numerical Recipes' generator; its high bits are good enough for prose.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(words[(state >> 16) as usize % words.len()]);
        text.push_str(if state >> 28 == 0 { ". " } else { " " });
    }
    text
}

/// A chat of so many messages, of about so many bytes in all.
pub fn messages(count: usize, bytes: usize) -> Vec<Message> {
    let message = |number: usize| -> Message {
        let reply_to: Value =
            if number % 2 == 1 { format!("m{}", number - 1).into() } else { Value::Null };
        serde_json::from_value(json!({
            "id": format!("m{number}"),
            "role": if number % 2 == 1 { "assistant" } else { "user" },
            "content": text(number, (bytes / count).saturating_sub(120)),
            "created_at": "2026-11-20T08:00:00Z",
            "reply_to": reply_to,
        }))
        .unwrap()
    };
    (0..count).map(message).collect()
}

/// Chats of these sizes are measured: messages and bytes.
pub const SIZES: [(usize, usize); 2] = [(20, 8_000), (2_000, 4_000_000)];

/// What an assistant writes of such a report: code, formulas, a list, a table.
const ANSWERS: [&str; 4] = [
    "The rows are found by a scan. With an index they are not:\n\n```sql\nCREATE INDEX orders_created_at \
     ON orders (created_at, region);\n\nSELECT region, sum(amount) AS total -- one quarter\nFROM orders\n\
     WHERE created_at >= '2026-01-01' AND created_at < '2026-04-01'\nGROUP BY region;\n```\n\n- $n$ rows \
     cost $O(n)$ without it,\n- and $O(\\log n + k)$ with it.",
    "The mean is $\\bar{x} = \\frac{1}{n} \\sum_{i=1}^{n} x_i$, and the *variance*\n\n$$s^2 = \
     \\frac{1}{n-1} \\sum_{i=1}^{n} (x_i - \\bar{x})^2$$\n\nso that `s` is its root.\n\n```python\ndef \
     variance(values: list[float]) -> float:\n    \"\"\"Of a sample.\"\"\"\n    mean = sum(values) / \
     len(values)\n    return sum((x - mean) ** 2 for x in values) / (len(values) - 1)\n```",
    "| region | rows | share |\n|---|--:|--:|\n| EMEA | 81,000 | $p = 0.42$ |\n| APAC | 51,000 | $p = 0.26$ |\
     \n\n```js\nconst rows = await load('/orders.json', { retries: 3 });\nfor (const { region, amount } of \
     rows) {\n  totals[region] = (totals[region] ?? 0) + amount; // in euro\n}\n```",
    "Run it again and compare:\n\n```bash\nset -e\nfor file in *.csv; do\n  psql \"$DATABASE_URL\" -c \
     \"\\copy orders from '$file' csv header\"  # one file\ndone\n```\n\nThen \\(t_1 / t_2 \\approx 40\\).",
];

/// A chat of so many messages, of which each second has code and formulas.
pub fn answers(count: usize) -> Vec<Message> {
    let mut messages = messages(count, count * 260);
    for (number, message) in messages.iter_mut().enumerate().filter(|(number, _)| number % 2 == 1) {
        let text = format!("{}\n\n{}", text(number, 120), ANSWERS[number / 2 % ANSWERS.len()]);
        message.content = serde_json::from_value(text.into()).unwrap();
    }
    messages
}
