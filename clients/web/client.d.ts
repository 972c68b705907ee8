import type { components, operations } from "./openapi.js";

type Schemas = components["schemas"];

export type ErrorType = Schemas["ErrorType"];
/** A link, as its owner sees it. */
export type SharedChatInfo = Schemas["SharedChatInfo"];
/** A link, as the chat service sees it. */
export type OwnedSharedChatInfo = Schemas["OwnedSharedChatInfo"];
/** A link, as an administrator sees it. */
export type InventoryRow = Schemas["InventoryRow"];
/** A shared chat, as a viewer sees it. */
export type SharedChatDetail = Schemas["SharedChatDetail"];
export type Message = Schemas["ViewedMessage"];
export type Artifact = Schemas["Artifact"];
export type LinkActivity = Schemas["LinkActivity"];
export type Policy = Schemas["PolicyDocument"];
export type ShareChatRequest = Schemas["ShareChatRequest"];
export type UpdateSharedChatRequest = Schemas["UpdateSharedChatRequest"];
export type DeletedLinks = Schemas["DeletedLinks"];
export type Health = Schemas["Health"];

type Query<Name extends keyof operations> = NonNullable<operations[Name]["parameters"]["query"]>;
export type ListQuery = Query<"list_shared_chats">;
export type InventoryQuery = Query<"list_all_shared_chats">;
export type QrCodeQuery = Query<"get_qr_code">;

/** Ends a call; its promise is then rejected with the signal's reason. */
export interface Abortable {
  signal?: AbortSignal;
}

/** A body with its entity tag. From another origin the tag is there as CORS exposes it. */
export interface Tagged<Data> {
  data: Data;
  etag: string | null;
}

export interface Page<Row, Query> {
  rows: Row[];
  /** What to ask the same list for to get the page behind this one; null at the end. */
  next: Query | null;
}

/** The events of docs/API.md 3. `id` is a cursor. */
export type WatchEvent = { id?: string } & (
  | { event: "message" | "changed"; data: Message }
  | { event: "removed"; data: { id: string } }
  | { event: "renamed"; data: { name: string } }
  | { event: "settings"; data: Pick<SharedChatDetail, "is_private" | "includes_artifacts" | "expires_at"> }
  /** Fetch the view again: something happened that is in no event, or the connection was cut. */
  | { event: "reset"; data: Record<string, never> }
  /** The last one: the link may not be seen any more. */
  | { event: "revoked"; data: Record<string, never> }
);

export interface ClientOptions {
  /** The address of the service, with the path that it is below. A relative one is to the page. */
  api: string;
  /**
   * Gives the caller's JWT, or null while the caller is signed out. Called for each request, so
   * keep the token until it expires. With `refresh` the last one was refused: get a new one. The
   * request is then repeated, once.
   */
  token?: ((options: { refresh: boolean }) => Promise<string | null> | string | null) | null;
  fetch?: typeof globalThis.fetch;
}

/**
 * A call that failed. Beside the errors of the service (docs/API.md 2) there are
 * `network` (no answer; status 0), `no_token` (`token` failed; status 0) and `unreadable` (not an
 * answer of the service). `cause` has what was caught.
 */
export class ApiError extends Error {
  readonly name: "ApiError";
  /** That of HTTP; 0 if there was no answer. */
  readonly status: number;
  readonly error_type: ErrorType | "network" | "no_token" | "unreadable";
  /** Identifies the request in the service's log. */
  readonly request_id: string | null;
  /** Seconds to wait before the next try, if the service named them. */
  readonly retry_after: number | null;
  constructor(
    message: string,
    fields: Pick<ApiError, "error_type"> &
      Partial<Pick<ApiError, "status" | "request_id" | "retry_after">> & { cause?: unknown },
  );
}

/**
 * One method for each operation of openapi.yaml. Each rejects with an `ApiError`, with the reason
 * of an aborted `signal`, or with a `TypeError` for an id that cannot be in a path.
 */
export class SharedChatsClient {
  constructor(options: ClientOptions);

  listSharedChats(query?: ListQuery & Abortable): Promise<Page<SharedChatInfo, ListQuery> & { total: number }>;
  shareChatSession(link: ShareChatRequest, options?: { idempotencyKey?: string } & Abortable): Promise<SharedChatInfo>;
  /** At most 1,000 ids. All of them or none. */
  deleteSharedChats(ids: string[], options?: Abortable): Promise<void>;
  /** The chat as a Markdown document. */
  getSharedChat(id: string, options: { format: "markdown" } & Abortable): Promise<Tagged<string>>;
  /** Without `ifNoneMatch` there always is `data`; null means that the tag still holds. */
  getSharedChat(id: string, options: { ifNoneMatch: string } & Abortable): Promise<Tagged<SharedChatDetail | null>>;
  getSharedChat(id: string, options?: Abortable): Promise<Tagged<SharedChatDetail>>;
  updateSharedChat(
    id: string,
    changes: UpdateSharedChatRequest,
    options?: { ifMatch?: string } & Abortable,
  ): Promise<void>;
  deleteSharedChat(id: string, options?: Abortable): Promise<void>;
  getSharedChatActivity(id: string, options?: Abortable): Promise<LinkActivity>;
  /** The response itself (200, 206 or 304), as a file may be too large for memory. */
  getSharedChatArtifact(
    id: string,
    artifactId: string,
    options?: { range?: string; ifRange?: string; ifNoneMatch?: string } & Abortable,
  ): Promise<Response>;
  /** The bare event stream, once; `watch` follows it. */
  watchSharedChat(id: string, options?: { after?: string } & Abortable): Promise<Response>;
  getQrCode(id: string, query?: QrCodeQuery & Abortable): Promise<Blob>;
  /** What people open, below `api`: for a service with the default `SHARE_PATH`. */
  openLink(
    id: string,
    options: { accept?: string; ifNoneMatch: string } & Abortable,
  ): Promise<Tagged<string | null>>;
  openLink(id: string, options?: { accept?: string } & Abortable): Promise<Tagged<string>>;

  getPolicy(options: { ifNoneMatch: string } & Abortable): Promise<Tagged<Policy | null>>;
  getPolicy(options?: Abortable): Promise<Tagged<Policy>>;
  setPolicy(policy: Policy, options?: { ifMatch?: string } & Abortable): Promise<Tagged<Policy>>;

  listSharedChatsOfChat(chatSessionId: string, options?: Abortable): Promise<OwnedSharedChatInfo[]>;
  chatChanged(chatSessionId: string, options?: Abortable): Promise<void>;
  deleteSharedChatsOfChat(chatSessionId: string, options?: Abortable): Promise<DeletedLinks>;
  deleteSharedChatsOfOwner(chatSessionId: string, ownerId: string, options?: Abortable): Promise<DeletedLinks>;
  deleteSharedChatsOfUser(userId: string, options?: Abortable): Promise<DeletedLinks>;

  listAllSharedChats(query?: InventoryQuery & Abortable): Promise<Page<InventoryRow, InventoryQuery>>;
  /** At most 1,000 ids. */
  takeDownSharedChats(ids: string[], options?: Abortable): Promise<void>;
  eraseUser(userId: string, options?: Abortable): Promise<DeletedLinks>;

  live(options?: Abortable): Promise<Health>;
  ready(options?: Abortable): Promise<Health>;
  openapiJson(options?: Abortable): Promise<Record<string, unknown>>;
  openapiYaml(options?: Abortable): Promise<string>;

  /**
   * Follows a live link, from the message `after` on, or from now on without one. Ends after a
   * `revoked`, or when `signal` is aborted; then nothing is called any more. Back-off is up to 30 s.
   * It rejects for what does not pass by itself, such as a frozen link (400), and with what
   * `onEvent` throws.
   */
  watch(
    id: string,
    options: { onEvent: (event: WatchEvent) => void; after?: string } & Abortable,
  ): Promise<void>;
}
