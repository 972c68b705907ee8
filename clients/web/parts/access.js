/** Whom a link can admit, from narrow to wide (docs/API.md 4). */
export const ACCESSES = ["owner", "named", "signed_in", "anyone"];

export const ACCESS_ICONS = { anyone: "globe", signed_in: "user", named: "users", owner: "lock" };

/** One of {@link ACCESSES}: whom the stored settings admit. */
export function accessOf({ is_private, audience }) {
  if (!is_private) return "anyone";
  if (!audience) return "signed_in";
  return audience.length ? "named" : "owner";
}

/** Whether the policy lets a link admit them. While the policy is not known, the service judges. */
export function isAllowed(policy, access) {
  return !policy || ACCESSES.indexOf(access) <= ACCESSES.indexOf(policy.widest_audience);
}

/** Whether the policy narrows any link at all. */
export function narrows(policy) {
  return (
    !policy ||
    policy.widest_audience !== "anyone" ||
    policy.max_lifetime_seconds !== null ||
    !policy.allows_artifacts
  );
}

/**
 * The latest end that the policy lets a link have that is changed now, in milliseconds; null
 * without one.
 */
export function latestEnd(policy, from = Date.now()) {
  return policy?.max_lifetime_seconds ? from + policy.max_lifetime_seconds * 1000 : null;
}
