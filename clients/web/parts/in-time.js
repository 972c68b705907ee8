/** How long a function of the page is waited for. */
const LONGEST_WAIT_MS = 30_000;

/** What a function of the page gives, or a `TimeoutError` where it takes too long. */
export async function inTime(ask) {
  let timer;
  const late = new Promise((_, reject) => {
    const error = new DOMException("The page did not answer.", "TimeoutError");
    timer = setTimeout(() => reject(error), LONGEST_WAIT_MS);
  });
  try {
    return await Promise.race([ask(), late]);
  } finally {
    clearTimeout(timer);
  }
}
