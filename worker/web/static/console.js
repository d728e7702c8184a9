// Refreshes the parts of a page that have an id and `data-live`. Without this script everything works by hand.
"use strict";
(() => {
  const PERIOD = 5000;
  const lost = document.querySelector("[data-live-until-well]");
  const parts = () => document.querySelectorAll("[id][data-live]");

  // What somebody is reading or typing in stays as it is.
  const inUse = (part) =>
    part.contains(document.activeElement) || part.querySelector("details[open]") ||
    (!getSelection().isCollapsed && part.contains(getSelection().anchorNode));

  const refresh = async () => {
    if (document.hidden || !(lost || parts().length)) return;
    let response;
    try {
      response = await fetch(location.href, { headers: { "X-Live": "1" }, redirect: "manual" });
    } catch {
      return;
    }
    // The session is over, or Redis is back: the whole page changes.
    if (response.type === "opaqueredirect" || (lost && response.ok)) return location.reload();
    if (lost || !response.ok) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const part of parts()) {
      const next = fresh.getElementById(part.id);
      if (next && !inUse(part) && next.innerHTML !== part.innerHTML) part.replaceChildren(...next.childNodes);
    }
  };

  if (lost || parts().length) setInterval(refresh, PERIOD);
})();
