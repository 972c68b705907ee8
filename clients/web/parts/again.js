/** Rows of a list (docs/API.md 3). */
const MOST_AT_ONCE = 1000;

/**
 * A link's row as the service has it now, or null. It is looked for in a list, because asking for
 * the link itself counts as a view.
 */
export async function rowAgain(client, row, { signal } = {}) {
  for (let offset = 0; ; offset += MOST_AT_ONCE) {
    const options = { chat_session_id: row.chat_session_id, offset, limit: MOST_AT_ONCE, signal };
    const { rows, total } = await client.listSharedChats(options);
    const found = rows.find((other) => other.id === row.id);
    if (found) return found;
    if (offset + rows.length >= total || !rows.length) return null;
  }
}
