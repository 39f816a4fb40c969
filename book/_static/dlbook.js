// What the pages of the course need beyond the theme: widgets from their stored state, and keyboard access.
"use strict";
(() => {
  const root = document.documentElement.dataset.content_root || "./";
  const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';

  // ---- widgets -----------------------------------------------------------------------------------------
  // The manager (1.9 MB) comes only when a widget is near the screen, and after the page has loaded.
  // It draws on the window's "load" event, which is over by then; so that one listener is called directly.
  function loadManager() {
    window.__jupyter_widgets_assets_path__ = `${root}_static/widgets/`;
    const listen = window.addEventListener;
    const warn = console.warn;
    const script = document.createElement("script");
    script.src = `${root}_static/widgets/embed.js`;
    window.addEventListener = function (type, handler, ...rest) {
      if (type === "load" && document.currentScript === script) handler();
      else listen.call(window, type, handler, ...rest);
    };
    // Its schema check reports a peculiarity of its own schema; that says nothing about this page.
    console.warn = (first, ...rest) => { if (!String(first).startsWith("strict mode:")) warn.call(console, first, ...rest); };
    script.onload = script.onerror = () => { window.addEventListener = listen; console.warn = warn; };
    document.body.append(script);
  }

  function whenNear(elements, action) {
    const watcher = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) { watcher.disconnect(); action(); }
    }, { rootMargin: "600px" });
    elements.forEach((element) => watcher.observe(element));
  }

  // A slider's handle gets the name that stands beside it, and says its value in words.
  function nameSliders(scope) {
    for (const handle of scope.querySelectorAll(".noUi-handle")) {
      const row = handle.closest(".widget-inline-hbox, .widget-inline-vbox");
      const label = row?.querySelector(".widget-label")?.textContent.trim();
      if (!handle.ariaLabel) handle.ariaLabel = label || "position";
      handle.ariaValueText = row?.querySelector(".widget-readout")?.textContent.trim() || handle.ariaValueNow;
    }
    for (const readout of scope.querySelectorAll(".widget-readout:not([aria-label])")) {
      readout.ariaLabel = "value";
    }
  }

  // ---- keyboard ----------------------------------------------------------------------------------------
  // Whatever scrolls sideways can be reached with Tab.
  function reachScrollers() {
    for (const box of document.querySelectorAll(".dlbook-scroll, .pst-scrollable-table-container, .cell_output .output, pre, div.math")) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else if (box.tabIndex === 0) box.removeAttribute("tabindex");
    }
  }

  function start() {
    const views = [...document.querySelectorAll(VIEW)].map((view) => view.parentElement);
    if (views.length) {
      whenNear(views, loadManager);
      for (const view of views) {
        new MutationObserver(() => nameSliders(view)).observe(view, { childList: true, subtree: true, characterData: true });
      }
    }
    reachScrollers();
    window.addEventListener("resize", reachScrollers);
  }

  if (document.readyState === "complete") start();
  else window.addEventListener("load", start);
})();
