// The live view: pausing, resuming where it stopped, and a bound on the list.
(() => {
    "use strict";
    const MAX_ROWS = 200;

    document.addEventListener("DOMContentLoaded", () => {
        const live = document.getElementById("live");
        const state = document.getElementById("live-state");
        const pause = document.getElementById("live-pause");
        const rows = document.getElementById("rows");
        let isPaused = false;

        const show = (text, mood) => {
            state.textContent = text;
            live.dataset.mood = mood;
        };

        const stop = () => {
            htmx.trigger(live, "htmx:beforeCleanupElement");
            show("Paused", "paused");
        };

        const start = () => {
            show("Connecting", "");
            for (const each of [live, ...live.querySelectorAll("[sse-swap]")]) {
                htmx.trigger(each, "htmx:afterProcessNode");
            }
        };

        // A new connection asks for the records after the last row.
        const remember = (number) => {
            const address = new URL(live.getAttribute("sse-connect"), location.href);
            address.searchParams.set("after", number);
            live.setAttribute("sse-connect", address.pathname + address.search);
        };

        live.addEventListener("htmx:sseMessage", (event) => {
            if (event.detail.lastEventId) remember(event.detail.lastEventId);
            while (rows.rows.length > MAX_ROWS) rows.deleteRow(-1);
        });
        live.addEventListener("htmx:sseOpen", () => show("Live", "live"));
        live.addEventListener("htmx:sseError", () => { if (!isPaused) show("Disconnected; reconnecting", ""); });
        live.addEventListener("htmx:sseClose", (event) => {
            if (event.detail.type !== "message") return;
            live.dataset.mood = "";
            pause.hidden = true;
        });
        pause.hidden = false;
        pause.addEventListener("click", () => {
            isPaused = !isPaused;
            pause.textContent = isPaused ? "Resume" : "Pause";
            if (isPaused) stop(); else start();
        });
    });
})();
