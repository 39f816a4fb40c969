"use strict";
// The page Launch: makes a link for each chapter out of the address of a session that the reader has started.
(() => {
  const form = document.querySelector(".dlbook-launch");
  const [input, says, list] = ["input", "[role=status]", "ul"].map((name) => form.querySelector(name));
  const chapters = JSON.parse(form.querySelector("script").textContent);
  const asked = new URLSearchParams(location.search).get("chapter");
  const { repository, branch } = form.dataset;
  const KEY = "dlbook-session";

  // Where Jupyter's own addresses begin: /user/anna/lab -> /user/anna; /notebooks/abc/lab/tree/x -> /notebooks/abc; a hub itself redirects.
  function server(text) {
    const typed = text.trim();
    let url;
    try {
      url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(typed) ? typed : `https://${typed}`);
    } catch {
      return null;
    }
    if (!typed || !/^https?:$/.test(url.protocol) || !(url.hostname.includes(".") || url.hostname === "localhost")) return null;
    const session = url.pathname.match(/^.*?\/(?:r?node\/[^/]+\/[^/]+|(?:user|notebooks)\/[^/.]+)(?=\/|$)/);
    if (session) return url.origin + session[0];
    const before = url.pathname.replace(/\/(hub|lab|tree|doc|notebooks|edit|login)(\/.*)?$/, "").replace(/\/+$/, "");
    const isHub = /^\/*$/.test(url.pathname) || /\/hub(\/|$)/.test(url.pathname);
    return `${url.origin}${before}${isHub ? "/hub/user-redirect" : ""}`;
  }

  function show() {
    const base = server(input.value);
    list.hidden = true;
    if (!base) {
      says.textContent = `“${input.value.trim()}” is no address of a session. Copy the whole line from the address bar; it begins with https://`;
      return;
    }
    if (!repository) {
      says.textContent = "This copy of the site does not know its repository yet: its maker sets repository: url in _config.yml.";
      return;
    }
    const folder = repository.replace(/\/+$/, "").split("/").pop().replace(/\.git$/, "");
    const ordered = [...chapters].sort((a, b) => (b.name === asked) - (a.name === asked));
    list.replaceChildren(...ordered.map(({ name, title, path }) => {
      const query = new URLSearchParams({ repo: repository, branch, urlpath: `lab/tree/${folder}/${path}` });
      const link = Object.assign(document.createElement("a"), { href: `${base}/git-pull?${query}`, textContent: title, target: "_blank", rel: "noopener" });
      const item = document.createElement("li");
      item.append(link, name === asked ? " (the chapter you came from)" : "");
      return item;
    }));
    list.hidden = false;
    says.textContent = "Each link brings the course into the session, or what is new in it, and opens the chapter. Your own changes stay.";
    try { localStorage.setItem(KEY, input.value); } catch { /* a browser that keeps nothing */ }
  }

  form.addEventListener("submit", (event) => { event.preventDefault(); show(); });
  try { input.value = localStorage.getItem(KEY) ?? ""; } catch { /* a browser that keeps nothing */ }
})();
