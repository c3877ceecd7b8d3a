// A table that is wider than the screen scrolls in a frame of the theme, which the keyboard reaches only with this.
new MutationObserver(() => {
  for (const frame of document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])")) {
    frame.tabIndex = 0;
    frame.setAttribute("role", "region");
    frame.setAttribute("aria-label", "Table");
  }
}).observe(document, { childList: true, subtree: true });
