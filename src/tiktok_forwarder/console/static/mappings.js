// The form and its preview follow what is typed by htmx; without scripts a button asks for both.
(() => {
    "use strict";

    document.addEventListener("DOMContentLoaded", () => document.getElementById("without-script").remove());

    // Whoever pastes a sample wants to see that one.
    document.addEventListener("input", (event) => {
        if (event.target.id === "pasted" && event.target.value.trim()) document.getElementById("sample").value = "pasted";
    });
})();
