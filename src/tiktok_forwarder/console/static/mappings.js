// htmx updates the form and its preview while the user types; without scripts a button does.
(() => {
    "use strict";

    document.addEventListener("DOMContentLoaded", () => document.getElementById("without-script").remove());

    // Choose the pasted sample as soon as there is one.
    document.addEventListener("input", (event) => {
        if (event.target.id === "pasted" && event.target.value.trim()) document.getElementById("sample").value = "pasted";
    });
})();
