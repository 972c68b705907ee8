/** Errors that pass by themselves. */
const PASSING = new Set([
  "network",
  "no_token",
  "late_token",
  "unreadable",
  "unavailable",
  "chat_service_error",
  "chat_service_timeout",
  "internal_error",
  "rate_limited",
  "too_many_requests",
]);

/** Errors whose own message says what ours cannot: a bound, a field, a file, why there is no token. */
const PRECISE = new Set([
  "artifact_too_large",
  "bad_request",
  "forbidden",
  "no_token",
  "policy_forbids",
  "quota_exceeded",
]);

/** Whether a call was given up because its dialog was closed, or another one took its place. */
export function isAborted(error) {
  return error?.name === "AbortError";
}

/**
 * An error of the API in words.
 *
 * @param {object} t the text function
 * @param {Error} error an ApiError, or anything else that was thrown
 * @param {"link" | "chat" | "list"} about what the call was about: `errors.not_found_link` counts
 *   before `errors.not_found`
 * @returns {{ text: string, detail: string, request: string, canRetry: boolean }} `detail` and
 *   `request` for small print, or ""; `canRetry`: the same call may succeed later
 */
export function errorWords(t, error, about = "link") {
  const isLate = error?.error_type === "no_token" && error.cause?.name === "TimeoutError";
  const type = isLate ? "late_token" : (error?.error_type ?? "");
  const seconds = Math.ceil(error?.retry_after ?? 0);
  const keys = [`errors.${type}_${about}`, seconds > 0 ? `errors.${type}_after` : "", `errors.${type}`];
  const key = keys.find((key) => type && key && t.has(key));
  const message = error?.message ?? "";
  const isUnknown = !key;
  return {
    text: isUnknown ? (type && message) || t("errors.unknown") : t(key, { n: seconds }),
    detail: PRECISE.has(type) || (isUnknown && !type) ? message : "",
    request: error?.status >= 500 && error.request_id ? t("errors.request", { id: error.request_id }) : "",
    canRetry: PASSING.has(type) || type === "invalid_token" || type === "login_required" || error?.status >= 500,
  };
}
