// The service worker. It keeps the app itself, so that it opens without a network, and nothing else: requests to the
// server pass by it untouched, so no answer of the server is ever kept here, and it holds no key.

/** Filled in when the app is built (scripts/precache.mjs): a name for this version and its files. */
declare const build: { readonly version: string; readonly files: readonly string[] };

const worker = globalThis as unknown as ServiceWorkerGlobalScope;

/** The part of lib.webworker that is used; it does not go together with lib.dom. */
interface ServiceWorkerGlobalScope {
  addEventListener(type: "install" | "activate", listener: (event: { waitUntil(work: Promise<unknown>): void }) => void): void;
  addEventListener(type: "fetch", listener: (event: { readonly request: Request; respondWith(answer: Promise<Response>): void }) => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
}

const prefix = "myelin-";
const here = `${prefix}${build.version}`;

worker.addEventListener("install", (event) => {
  event.waitUntil(install());
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(activate());
});

worker.addEventListener("message", ({ data }) => {
  if (data === "change over") void worker.skipWaiting();
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin || /^\/(_matrix|_myelin|\.well-known)(\/|$)/.test(url.pathname)) return;
  if (request.mode === "navigate") event.respondWith(kept("/", request));
  else if (url.pathname.startsWith("/assets/") || build.files.includes(url.pathname)) event.respondWith(kept(url.pathname, request));
});

/** Takes over from the version before what did not change; names of assets hold a hash of their content. */
async function install(): Promise<void> {
  const cache = await caches.open(here);
  for (const file of build.files) {
    const before = file.startsWith("/assets/") ? await caches.match(file) : undefined;
    if (before === undefined) await cache.add(new Request(file, { cache: "no-cache" }));
    else await cache.put(file, before);
  }
}

/** The version before stays for tabs that still run it; everything older goes. */
async function activate(): Promise<void> {
  const others = (await caches.keys()).filter((name) => name.startsWith(prefix) && name !== here);
  for (const name of others.slice(0, -1)) await caches.delete(name);
  await worker.clients.claim();
}

/** A file of this version, of an older one, or from the server; also when the browser cannot read what it keeps. */
async function kept(path: string, request: Request): Promise<Response> {
  try {
    const own = await (await caches.open(here)).match(path);
    const found = own ?? (path === "/" ? undefined : await caches.match(path));
    if (found !== undefined) return found;
  } catch {
    // The disk is full or broken: the server has the file too.
  }
  return fetch(request);
}
