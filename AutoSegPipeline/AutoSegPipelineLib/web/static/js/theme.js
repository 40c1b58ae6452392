// A plain script in the head: the colours stand before anything is painted.
(function () {
  "use strict";
  var root = document.documentElement;
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  function chosen() {
    try { return localStorage.getItem("autoseg.theme"); } catch (error) { return null; }
  }
  function apply() {
    var theme = chosen() || (dark.matches ? "dark" : "light");
    root.dataset.theme = theme;
    var button = document.getElementById("theme");
    if (button) { button.setAttribute("aria-pressed", String(theme === "dark")); }
    root.dispatchEvent(new CustomEvent("themechange"));
  }
  apply();
  dark.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", function () {
    root.classList.add("scripted");
    apply();
    var button = document.getElementById("theme");
    if (!button) { return; }
    button.hidden = false;
    button.addEventListener("click", function () {
      var next = root.dataset.theme === "dark" ? "light" : "dark";
      try { localStorage.setItem("autoseg.theme", next); } catch (error) { /* private window: for this page only */ }
      root.dataset.theme = next;
      button.setAttribute("aria-pressed", String(next === "dark"));
      root.dispatchEvent(new CustomEvent("themechange"));
    });
  });
})();
