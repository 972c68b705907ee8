// Express with `compression` before a proxy, as development servers have it: node proxy.mjs TARGET
// It prints the address that it listens on.
import compression from "compression";
import express from "express";
import { createProxyMiddleware } from "http-proxy-middleware";

const app = express();
// Everything that it may compress, however short.
app.use(compression({ threshold: 0 }));
app.use(createProxyMiddleware({ target: process.argv[2], changeOrigin: true }));
const server = app.listen(0, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
