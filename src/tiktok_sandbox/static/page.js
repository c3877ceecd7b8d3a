// Brings the newest events every two seconds, and keeps open what the reader has opened.
"use strict";

async function refresh() {
  const live = document.getElementById("live");
  if (document.hidden || !live) return;
  const answer = await fetch("/", { cache: "no-store" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("live");
  const focused = document.activeElement && document.activeElement.closest("details");
  for (const open of live.querySelectorAll("details[open]")) {
    const twin = fresh.querySelector("#" + open.id);
    if (twin) twin.open = true;
  }
  live.replaceWith(fresh);
  if (focused) {
    const summary = document.querySelector("#" + focused.id + " > summary");
    if (summary) summary.focus({ preventScroll: true });
  }
}

setInterval(() => {
  const selection = document.getSelection();
  if (!selection || selection.isCollapsed) refresh().catch(() => {});
}, 2000);
