// Uses every call of the client, so that its types are checked (npm run check). Runs nowhere.
import { ApiError, SharedChatsClient, type SharedChatInfo, type WatchEvent } from "../client.js";

declare const session: { token(refresh: boolean): Promise<string> };

const client = new SharedChatsClient({
  api: "https://share.example",
  token: ({ refresh }) => session.token(refresh),
});

export async function owner(chat: string, signal: AbortSignal): Promise<SharedChatInfo[]> {
  const { data: policy } = await client.getPolicy({ signal });
  const link = await client.shareChatSession(
    { chat_session_id: chat, is_private: policy.widest_audience !== "anyone", audience: ["group:finance"] },
    { idempotencyKey: crypto.randomUUID(), signal },
  );
  const before = await client.getSharedChat(link.id);
  await client.updateSharedChat(link.id, { label: null, expires_at: null }, before.etag ? { ifMatch: before.etag } : {});
  const { views, last_viewed_at } = await client.getSharedChatActivity(link.id);
  console.info(link.limited_by_policy.length, views, last_viewed_at ?? "never");

  const rows: SharedChatInfo[] = [];
  let page = await client.listSharedChats({ name_filter: "report", filter_type: "public", sort: "name", limit: 1000 });
  for (;;) {
    rows.push(...page.rows);
    if (!page.next) break;
    page = await client.listSharedChats({ ...page.next, signal });
  }
  await client.deleteSharedChat(link.id);
  await client.deleteSharedChats(rows.map((row) => row.id));
  return rows;
}

export async function viewer(id: string, signal: AbortSignal): Promise<void> {
  const { data: chat, etag } = await client.getSharedChat(id, { signal });
  const again = await client.getSharedChat(id, { ifNoneMatch: etag ?? "*" });
  if (again.data === null) console.info("unchanged");
  const markdown: string = (await client.getSharedChat(id, { format: "markdown", signal })).data;
  console.info(markdown.length);
  for (const file of chat.artifacts ?? []) {
    const response = await client.getSharedChatArtifact(id, file.id, { range: "bytes=0-99" });
    console.info(response.status, (await response.arrayBuffer()).byteLength);
  }
  const code: Blob = await client.getQrCode(id, { format: "svg", size: 240, margin: 2, error_correction: "Q" });
  const page: string = (await client.openLink(id, { accept: "text/html" })).data;
  console.info(code.type, page.length);

  const messages = new Map(chat.messages.map((message) => [message.id, message]));
  const onEvent = (event: WatchEvent): void => {
    switch (event.event) {
      case "message":
      case "changed":
        messages.set(event.data.id, event.data);
        break;
      case "removed":
        messages.delete(event.data.id);
        break;
      case "renamed":
        console.info(event.data.name);
        break;
      case "settings":
        console.info(event.data.expires_at ?? "for ever");
        break;
      case "reset":
      case "revoked":
        messages.clear();
    }
  };
  const last = chat.messages.at(-1);
  await client.watch(id, { onEvent, signal, ...(last && { after: last.id }) });
  const stream: Response = await client.watchSharedChat(id, { after: "m1" });
  await stream.body?.cancel();
}

export async function chatService(chat: string, user: string): Promise<number> {
  await client.shareChatSession({ chat_session_id: chat, owner: { id: user, name: "Bob" } });
  const owners = (await client.listSharedChatsOfChat(chat)).map((row) => row.owner_id);
  await client.chatChanged(chat);
  const counts = [
    await client.deleteSharedChatsOfOwner(chat, user),
    await client.deleteSharedChatsOfChat(chat),
    await client.deleteSharedChatsOfUser(user),
  ];
  return owners.length + counts.reduce((sum, { deleted }) => sum + deleted, 0);
}

export async function administrator(user: string): Promise<void> {
  const { data, etag } = await client.getPolicy();
  await client.setPolicy({ ...data, allows_artifacts: false }, { ifMatch: etag ?? "*" });
  const { rows, next } = await client.listAllSharedChats({ owner_id: user, filter_type: "legacy" });
  if (next) await client.listAllSharedChats(next);
  await client.takeDownSharedChats(rows.map((row) => row.id));
  await client.eraseUser(user);
}

export async function operator(): Promise<string> {
  const states = [await client.live(), await client.ready()].map(({ status }) => status);
  const { openapi } = await client.openapiJson();
  return `${states} ${openapi} ${(await client.openapiYaml()).length}`;
}

export function inWords(error: unknown): string {
  if (!(error instanceof ApiError)) throw error;
  switch (error.error_type) {
    case "network":
    case "unavailable":
      return `Try again in ${error.retry_after ?? 1} s.`;
    case "policy_forbids":
      return error.message;
    default:
      return `${error.message} (${error.status}, ${error.request_id})`;
  }
}

// @ts-expect-error: a misspelt setting would otherwise be found by the service alone.
void client.updateSharedChat("8e2190ba", { is_privat: true });
