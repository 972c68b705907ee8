import { isAborted } from "./errors.js";
import { h } from "./h.js";

/** Pixels: sharp on screens of twice the density. */
const SIZE = 480;

/**
 * The QR code of a link, with a button that saves it. It is fetched and drawn, not an <img>: pages of other sites may
 * not embed that of a private link.
 *
 * @param {{ client: object, t: object, url: string, id: string, signal: AbortSignal, onError: (error: Error) => void }} options
 */
export function qrView({ client, t, id, url, signal, onError }) {
  const canvas = h("canvas", { width: SIZE, height: SIZE, role: "img", "aria-label": t("qr.alt", { url }) });
  const save = h("button", { type: "button", class: "quiet", disabled: true, onclick: () => saveImage(canvas, t("qr.file")) }, t("qr.save"));
  const wait = h("p", { class: "hint", role: "status" }, t("qr.loading"));
  const element = h("div", { class: "qr" }, wait, canvas, save);
  const load = async () => {
    const image = await createImageBitmap(await client.getQrCode(id, { format: "png", size: SIZE, margin: 2, signal }));
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.getContext("2d").drawImage(image, 0, 0);
    wait.remove();
    save.disabled = false;
  };
  load().catch((error) => {
    if (isAborted(error)) return;
    element.remove();
    onError(error);
  });
  return element;
}

function saveImage(canvas, name) {
  canvas.toBlob((blob) => {
    const address = URL.createObjectURL(blob);
    h("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  });
}
