// Follows a live link, in a browser or in Node.js 18 or later. Calls onEvent(name, data) for each event until the link
// may not be seen any more. token() gives a valid one, or a promise of it.
const REFUSED = [400, 401, 403, 404];

export async function watch(url, token, onEvent, cursor = "") {
  for (;;) {
    try {
      // In the query, because fetch sends no header beyond Latin-1.
      const after = cursor && `?after=${encodeURIComponent(cursor)}`;
      const response = await fetch(url + after, { headers: { Authorization: `Bearer ${await token()}` } });
      if (REFUSED.includes(response.status)) return onEvent("revoked", {});
      if (!response.ok) throw new Error(`status ${response.status}`);
      for await (const event of events(response)) {
        if (event.name) onEvent(event.name, JSON.parse(event.data));
        cursor = event.id ?? cursor;
        if (event.name === "revoked") return;
      }
    } catch (error) {
      console.debug(error);
    }
    await new Promise((resolve) => setTimeout(resolve, 1000 + 4000 * Math.random()));
  }
}

// The blocks of an event stream, which an empty line separates. A comment may carry an id.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let part; !(part = await reader.read()).done; ) {
    const blocks = (text + part.value).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const field = (name) =>
        block.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      yield { name: field("event"), data: field("data"), id: field("id") };
    }
  }
}
