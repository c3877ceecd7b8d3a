// Times in the user's time zone, and copying. Pages work without it.
(() => {
    "use strict";

    const localTimes = (root) => {
        for (const each of root.querySelectorAll("time[datetime]:not([data-local])")) {
            const at = new Date(each.dateTime);
            each.title = each.textContent;
            each.dataset.local = "";
            each.textContent = at.toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" });
        }
    };

    const copy = async (button) => {
        const from = document.getElementById(button.dataset.copy);
        await navigator.clipboard.writeText(from.value ?? from.textContent);
        const before = button.textContent;
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = before; }, 1500);
    };

    // Put a chosen file into a text field: forms carry text only.
    const readFile = async (chooser) => {
        const [file] = chooser.files;
        if (!file) return;
        const into = document.getElementById(chooser.dataset.fileInto);
        into.value = await file.text();
        into.dispatchEvent(new Event("input", { bubbles: true }));
    };

    document.addEventListener("DOMContentLoaded", () => localTimes(document));
    document.addEventListener("htmx:load", (event) => localTimes(event.target));
    document.addEventListener("click", (event) => {
        const button = event.target.closest("[data-copy]");
        if (button) copy(button);
    });
    document.addEventListener("change", (event) => {
        if (event.target.dataset && event.target.dataset.fileInto) readFile(event.target);
    });
})();
