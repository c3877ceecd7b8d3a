// The live view's comforts: pausing, going on where it stopped, and an end to the list.
(() => {
    "use strict";
    const MOST_ROWS = 200;

    document.addEventListener("DOMContentLoaded", () => {
        const live = document.getElementById("live");
        const state = document.getElementById("live-state");
        const pause = document.getElementById("live-pause");
        const rows = document.getElementById("rows");
        let isPaused = false;

        const told = (text, mood) => {
            state.textContent = text;
            live.dataset.mood = mood;
        };

        const stop = () => {
            htmx.trigger(live, "htmx:beforeCleanupElement");
            told("Paused", "paused");
        };

        const start = () => {
            told("Connecting", "");
            for (const each of [live, ...live.querySelectorAll("[sse-swap]")]) {
                htmx.trigger(each, "htmx:afterProcessNode");
            }
        };

        // Whoever connects again asks for what came after the last row.
        const remember = (number) => {
            const address = new URL(live.getAttribute("sse-connect"), location.href);
            address.searchParams.set("after", number);
            live.setAttribute("sse-connect", address.pathname + address.search);
        };

        live.addEventListener("htmx:sseMessage", (event) => {
            if (event.detail.lastEventId) remember(event.detail.lastEventId);
            while (rows.rows.length > MOST_ROWS) rows.deleteRow(-1);
        });
        live.addEventListener("htmx:sseOpen", () => told("Live", "live"));
        live.addEventListener("htmx:sseError", () => { if (!isPaused) told("Not connected; trying again", ""); });
        live.addEventListener("htmx:sseClose", (event) => {
            if (event.detail.type !== "message") return;
            live.dataset.mood = "";
            pause.hidden = true;
        });
        pause.hidden = false;
        pause.addEventListener("click", () => {
            isPaused = !isPaused;
            pause.textContent = isPaused ? "Go on" : "Pause";
            if (isPaused) stop(); else start();
        });
    });
})();
