// htmx updates the form and its preview while the user types.
(() => {
    "use strict";

    // Choose the pasted sample as soon as there is one.
    document.addEventListener("input", (event) => {
        if (event.target.id === "pasted" && event.target.value.trim()) document.getElementById("sample").value = "pasted";
    });
})();
